"""The live connections of one worker: WebSocket and server-sent events around `gateway.domain.session`.

`hub` puts the package together and lists its parts. The package defines no exceptions: what a peer does wrong becomes a
close code (`gateway.domain.errors.CloseCode`), and problems of the store arrive as StoreUnavailableError.
"""
