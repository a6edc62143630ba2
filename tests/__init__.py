"""Tests. Importing `loadtest` says what to do where the packages that both need are missing."""

import loadtest  # noqa: F401
