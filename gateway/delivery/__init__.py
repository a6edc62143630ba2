"""Delivery: sends what is due to the providers, in processes of its own."""
