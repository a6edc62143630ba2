"""The demo: its pages, and the operations by which they need no secret. It is on or off by INBOX_DEMO.

These operations are for the demo's own pages. They are not in the OpenAPI document, and may change.
"""
