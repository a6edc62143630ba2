"""What every long-running part of the gateway uses of the event loop: deadlines, slices of work, restarted tasks, memory limits."""
