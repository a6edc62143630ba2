"""What every operation uses: rows, calls, access, parameters, bodies, paging, idempotency, routing, and OpenAPI."""
