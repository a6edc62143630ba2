"""A self-hosted, real-time notification inbox."""

__version__ = "0.1.0"
