"""Tests. Importing `loadtest` exits with instructions if a package that both need is missing."""

import loadtest  # noqa: F401
