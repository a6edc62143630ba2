"""`python -m gateway` is `inbox-gateway`."""

from gateway.cli import main

main()
