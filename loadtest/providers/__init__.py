"""Providers of push services, mail, chat and SMS, as the load tests and the checker need them: bare, fast, and broken.

They check nothing about a request. The tests of `tests/channels/` have stubs that check requests by the official
schemas of the providers.
"""
