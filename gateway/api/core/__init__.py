"""What every operation uses: its row, parameters, bodies, paging, idempotency, routing, and the OpenAPI document."""
