"""Tests. Importing `loadtest` exits with instructions if a package that both need is missing.

`python -m tests.release` needs none of these packages: whoever installs the gateway builds it, and runs no tests.
"""

import sys

if "tests.release" not in sys.orig_argv:
    import loadtest  # noqa: F401
