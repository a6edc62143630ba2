"""Adapters of providers against the real programs of others: `make channels`. A test skips what cannot be installed."""
