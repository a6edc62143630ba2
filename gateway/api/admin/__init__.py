"""The operations of the dashboard, for admins with a session, and the dashboard itself."""
