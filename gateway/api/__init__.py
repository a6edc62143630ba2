"""The REST API: one `Operation` row per route, one module per resource."""
