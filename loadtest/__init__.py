"""Measurements of the running gateway."""
