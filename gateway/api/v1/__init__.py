"""Version 1 of the REST API: a file a resource."""
