"""The ids of users, projects and workspaces. This module imports nothing large, because the supervisor imports it."""

from typing import NewType

ProjectId = NewType("ProjectId", str)
"""A decimal number, unique among all projects that the store ever had. The API shows it as a number."""
UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
"""A decimal number, as of projects."""
