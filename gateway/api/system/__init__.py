"""Health, metrics, pages and the pull transport of the live side."""
