"""What operators read: the log and the Prometheus metrics."""
