"""Building blocks of long-running processes: timer wheel, fair scheduler, background tasks, memory limits."""
