"""Deliveries under faults: what providers received is compared with what was sent and with what the gateway recorded.

    traffic ──requests──> gateways ──> delivery workers ──> providers (fail in every way)
       └───────────── verdict <──attempts─────────────────────┘

Each notification has a mark in its title, so every request to a provider names the delivery that it is for. Two
projects have providers, users and marks of their own.
"""
