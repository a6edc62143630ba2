"""The two suites, which the modules with checks fill."""

from typing import TYPE_CHECKING

from conformance.checks import Suite
from conformance.target import Target

if TYPE_CHECKING:
    from conformance.script import Script

SERVER: Suite[Target] = Suite()
"""What a server does."""

CLIENT: "Suite[Script]" = Suite()
"""What a client does."""
