"""Background jobs: the runner, and the work of each kind of job."""
