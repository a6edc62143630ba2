"""Helpers of long-running processes: timer wheel, work slices, background tasks, memory limits."""
