"""Channels of delivery and integrations, a file a provider: what a token and a configuration of it consist of.

A file declares `TOKEN`, a TokenKind, if users register tokens of that provider, and `INTEGRATION`, an IntegrationKind,
if projects configure it. `registry.py` lists both. The rows of the API, their schemas and what is stored follow from
these declarations. A channel imports nothing but the domain.
"""
