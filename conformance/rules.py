"""Both suites with all their checks: the modules that hold the checks register them when they are imported."""

from conformance import clients, ending, opening, streaming
from conformance.suites import CLIENT, SERVER

MODULES = (opening, streaming, ending, clients)

__all__ = ["CLIENT", "MODULES", "SERVER"]
