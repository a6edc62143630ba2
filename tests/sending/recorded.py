"""Plans that the gateway stored before plans had versions (commit c1bfb88). They must still be followed."""

BROADCAST_ID = "28ae9dec-664c-4205-ba9e-0ff8f83d351b"

RECIPIENTS = (
    b'[{"external_id":"ada","email":"Ada@Example.com","first_name":"Ada","custom_attributes":{"plan":null},'
    b'"phone_numbers":["+1"]},{"external_id":"joe"},{"matches":"*"},{"matches":{"custom_attributes":{"plan":null}}},'
    b'{"topic":{"subscribers":true}}]'
)

BROADCAST_PLAN = (
    b'{"view":{"id":"28ae9dec-664c-4205-ba9e-0ff8f83d351b","title":"Hello \xe2\x98\x82","content":"c",'
    b'"action_url":null,"category":"orders","topic":"order:1","custom_attributes":{"a":null,"b":[1,2.5,"x"]},'
    b'"created_at":1795961054,"recipients":' + RECIPIENTS + b',"overrides":{"channels":{"in_app":{"title":"Shown"}}}},'
    b'"shown":{"title":"Shown","content":"c","action_url":null,"category":"orders","topic":"order:1",'
    b'"custom_attributes":{"a":null,"b":[1,2.5,"x"]}},"recipients":' + RECIPIENTS + b',"root":"broadcast",'
    b'"moment":[1795961054378,"9df8d878"],"roster_size":1203}'
)

CONTENT = (
    b'{"id":"28ae9dec-664c-4205-ba9e-0ff8f83d351b","title":"Shown","content":"c","action_url":null,'
    b'"category":"orders","topic":"order:1","custom_attributes":{"a":null,"b":[1,2.5,"x"]}'
)
"""The content of items that the job of that plan stored."""

SEND_PLAN = b'{"id":"28ae9dec-664c-4205-ba9e-0ff8f83d351b","moment":[1795961054378,"9df8d878"]}'

IMPORT_PLAN = b'{"id":"28ae9dec-664c-4205-ba9e-0ff8f83d351b","now_ms":1795961054378}'

IMPORT_PORTIONS = (b'[{"external_id":"late-1"},{"external_id":"late-2"}]',)

RETENTION_PLAN = b"[100,604800]"

SWEEP = b"1795961054378 100 604800"
