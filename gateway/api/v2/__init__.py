"""Version 2 of the REST API: a file a resource."""
