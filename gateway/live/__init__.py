"""The live connections of one worker: WebSocket and server-sent events around `gateway.domain.session`.

`hub` connects the parts of the package and lists them. The package defines no exceptions. An error of a peer becomes a
close code (`gateway.domain.errors.CloseCode`), and the store raises StoreUnavailableError.
"""
