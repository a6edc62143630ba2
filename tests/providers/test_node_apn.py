"""Another client of APNs against the stub: it accepts and answers what a client of Apple's service sends and reads."""

import asyncio
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.channels.apns import INTEGRATION
from tests.npm import installed, run_script
from tests.stubs.apns import Answer, ApnsStub, device_token

CONFIG: dict[str, Any] = {**INTEGRATION.example}

SCRIPT = """
const apn = require("@parse/node-apn");
const { key_id, team_id, certificate, app_id } = input.config;
const provider = new apn.Provider({
  token: { key: certificate, keyId: key_id, teamId: team_id },
  address: "127.0.0.1", port: input.port, production: false, ca: require("fs").readFileSync(input.ca),
});
const note = new apn.Notification({ alert: { title: "Hello" }, topic: app_id, pushType: "alert" });
provider.send(note, input.devices).then((found) => {
  output({
    sent: found.sent.map((each) => each.device),
    failed: found.failed.map(({ device, status, response }) => ({ device, status, reason: response?.reason })),
  });
  provider.shutdown();
});
"""


async def test_another_client_understands_the_stub(tmp_path: Path) -> None:
    folder = installed("@parse/node-apn", "8.1.0")
    public_key: Any = load_pem_private_key(CONFIG["certificate"].encode(), None).public_key()
    stub = await ApnsStub(tmp_path, public_key=public_key, topics=(CONFIG["app_id"],)).start()
    stub.answers[device_token(2)] = Answer(410, "Unregistered", 1_700_000_000_000)
    sent = {
        "config": CONFIG,
        "port": stub.port,
        "ca": str(stub.ca_file),
        "devices": [device_token(number) for number in range(5)],
    }
    found = await asyncio.to_thread(run_script, folder, SCRIPT, sent)
    assert sorted(found["sent"]) == [device_token(number) for number in (0, 1, 3, 4)]
    assert found["failed"] == [{"device": device_token(2), "status": 410, "reason": "Unregistered"}]
    await stub.close()
