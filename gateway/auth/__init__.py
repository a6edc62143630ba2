"""Who is asking: credentials become a principal."""
