"""Version 2 of the REST API. Each resource has a file."""
