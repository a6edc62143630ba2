"""The conformance kit: the gateway and its client pass, and what is wrong fails the right checks."""
