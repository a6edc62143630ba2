"""Probes, metrics, pages, the OpenAPI document, and the events of an inbox for clients that pull them."""
