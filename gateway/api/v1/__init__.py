"""Version 1 of the REST API, which follows the vendor's contract. Each resource has a file."""
