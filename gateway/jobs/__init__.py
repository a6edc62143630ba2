"""What is accepted now and done later: the runner that does jobs in steps, and the work of each kind."""
