"""Stubs of providers: servers on the loopback that check requests as the provider does, with faults to switch on."""
