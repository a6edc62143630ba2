"""Event-loop helpers of long-running processes: deadlines, slices of work, restarted tasks, memory limits."""
