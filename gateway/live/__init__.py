"""This worker's open inboxes: the hub, and a thin shell per transport around `domain/session.py`."""
