"""The frame of mails: a page without an origin, which runs nothing but its own script."""

import base64
import hashlib
import re

import httpx

from tests.api.admin.admins import invited, owner_headers, signed_in
from tests.servers import Gateway


def test_the_frame_has_a_policy_and_the_hash_of_its_script_alone(gateway: Gateway) -> None:
    page = httpx.get(f"{gateway.url}/admin/mail-frame")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-scripts" in policy.split("; ")
    (script,) = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_a_viewer_may_preview_and_not_send(gateway: Gateway) -> None:
    (project, *_) = httpx.get(f"{gateway.url}/admin/api/projects", headers=owner_headers(gateway)).json()["data"]
    with signed_in(gateway, invited(gateway, {"*": "viewer"})) as viewer:
        base = f"/projects/{project['id']}/v2"
        shown = viewer.post(f"{base}/previews", json={"title": "T"})
        assert (shown.status_code, shown.json()["email"]["subject"]) == (200, "T")
        sent = viewer.post(f"{base}/broadcasts", json={"title": "T", "recipients": [{"matches": "*"}]})
        assert sent.status_code == 403
