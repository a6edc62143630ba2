"""Installing a project's Slack app in the user's workspace: OAuth 2.0 as Slack has it (oauth/v2)."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.api.v2.installations import SLACK_INSTALLATION, InstallationSaver
from gateway.auth.install_state import InstallStates
from gateway.channels import slack
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.objects import Array, Object
from gateway.domain.outbound_errors import OutboundError
from gateway.domain.params import FormedText, Problems, Text
from gateway.runtime.outbound import OutboundHttp
from gateway.store.inbox import InboxStore
from gateway.store.integrations import IntegrationStore

SCOPES = ("chat:write", "incoming-webhook")
"""The scopes that deliveries need: to write into channels, and into the one that the user chooses."""

SLACK_URL = "https://slack.com"
AUTHORIZE_URL = "https://slack.com/oauth/v2/authorize"
_AUTHORIZE_PATTERN = r"https://([a-z0-9-]+\.)?(enterprise\.)?slack\.com/oauth/v2/authorize"

_APP_ID = Text(required=True, max_length=64, description="The id of the app in the project's Slack integration.")
_REDIRECT_URL = FormedText(
    max_length=2048,
    pattern=r"https?://[^\s]+",
    form="a URL",
    description="Where Slack sends the browser. It must be registered with the app.",
)

START = Body(
    "",
    Object(
        required=True,
        name="SlackInstallationStart",
        fields={
            "app_id": _APP_ID,
            "auth_url": FormedText(
                max_length=255,
                pattern=_AUTHORIZE_PATTERN,
                form=f"{AUTHORIZE_URL}, or that of a workspace",
                description=f"Where users authorize apps, by default `{AUTHORIZE_URL}`.",
            ),
            "extra_scopes": Array(
                item=FormedText(max_length=100, min_length=1, pattern=r"[a-z0-9:._-]+", form="a scope"),
                max_items=50,
                description="Scopes to ask for besides those that deliveries need.",
            ),
            "redirect_url": _REDIRECT_URL,
        },
    ),
    example={"app_id": "A0KRD7HC3", "redirect_url": "https://example.com/slack/done"},
)

FINISH = Body(
    "",
    Object(
        required=True,
        name="SlackInstallationFinish",
        fields={
            "app_id": _APP_ID,
            "code": Text(required=True, max_length=1024, description="The code that Slack has sent to `redirect_url`."),
            "redirect_url": _REDIRECT_URL,
            "state": Text(
                max_length=2048,
                description="The state that Slack has sent to `redirect_url`. Send it: it proves that the user began "
                "this installation. This field is an extension.",
            ),
        },
    ),
    example={"app_id": "A0KRD7HC3", "code": "1234567890.abcdef", "redirect_url": "https://example.com/slack/done"},
    refusals=(ErrorCode.PROVIDER_FAILED,),
)


class StartedSlackInstallation(msgspec.Struct):
    """Where to send the user's browser, and the scopes for which Slack will ask the user."""

    app_id: str
    auth_url: str
    scopes: list[str]


@dataclass(frozen=True, slots=True)
class SlackInstallationsResource:
    """The operations that install a project's Slack app. `slack_url` is where Slack's API is, which `slack` calls.

    The rules of `outbound` are those for addresses that a project saves.
    """

    saver: InstallationSaver
    inboxes: InboxStore
    integrations: IntegrationStore
    idempotency: Idempotency
    states: InstallStates
    outbound: OutboundHttp
    slack: OutboundHttp
    slack_url: str

    async def start(self, call: UserCall) -> Response:
        """Return the address at which the user installs the project's Slack app.

        It has a signed `state`, which is valid for ten minutes.
        """
        body = await call.body()
        values = call.fields(body)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            config = await self._config(call, values["app_id"])
            scopes = list(dict.fromkeys((*SCOPES, *(values["extra_scopes"] or ()))))
            query = {"client_id": config["client_id"], "scope": ",".join(scopes)}
            if values["redirect_url"]:
                query["redirect_uri"] = values["redirect_url"]
            query["state"] = self.states.sign(call.project.id, call.user.id, values["app_id"], int(time.time()))
            address = f"{values['auth_url'] or AUTHORIZE_URL}?{urlencode(query)}"
            return encode({"app_id": values["app_id"], "auth_url": address, "scopes": scopes})

        return await self.idempotency.once(call, body, b"", work)

    async def finish(self, call: UserCall) -> Response:
        """Exchange the code of Slack for tokens, and save the installation. Secrets are redacted in the response.

        Slack accepts a code once. A repetition of the request gets the first response again, for 24 hours.
        """
        body = await call.body()
        values = call.fields(body)
        state = values["state"]
        if state and not self.states.is_valid(state, call.project.id, call.user.id, values["app_id"]):
            raise invalid("Param 'state' is not of this user's installation, or has expired: start again")

        async def work(plan: bytes, repeatable: bool) -> bytes:
            config = await self._config(call, values["app_id"])
            return await self.saver.save(slack.INSTALLATION, call, await self._exchange(config, values))

        digest = hashlib.sha256(body).hexdigest()
        return await self.idempotency.once(call, body, b"", work, default_key=f"slack code {digest}")

    async def _config(self, call: UserCall, app_id: str) -> Mapping[str, Any]:
        """Return the configuration of the project's Slack app. Raises ApiError 404 and 422."""
        await self.inboxes.use(call.user, call.guard)
        found = await self.integrations.read(call.project.id, slack.INTEGRATION)
        if found is None:
            raise not_found("Integration", "A backend configures it: PUT /v2/integrations/slack.")
        config = found.values
        if config["app_id"] != app_id:
            raise invalid("Param 'app_id' is not that of the project's Slack integration")
        if "client_secret" not in config:
            raise api_error(ErrorCode.STORE_DATA_BROKEN, "The secrets of the Slack integration cannot be decrypted")
        return config

    async def _exchange(self, config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the installation that Slack returns for a code (oauth.v2.access). Raises ApiError 422 and 502."""
        form = {"client_id": config["client_id"], "client_secret": config["client_secret"], "code": values["code"]}
        if values["redirect_url"]:
            form["redirect_uri"] = values["redirect_url"]
        try:
            response = await self.slack.request(
                "POST",
                f"{self.slack_url}/api/oauth.v2.access",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
            )
            found = msgspec.json.decode(response.body, type=dict[str, Any])
        except (OutboundError, msgspec.MsgspecError) as problem:
            raise api_error(ErrorCode.PROVIDER_FAILED, f"Slack did not respond: {type(problem).__name__}") from None
        if found.get("ok") is not True:
            raise invalid(f"Param 'code' was refused by Slack: {str(found.get('error'))[:100]}")
        return self._installation(found)

    def _installation(self, found: Mapping[str, Any]) -> dict[str, Any]:
        problems = Problems(outbound=self.outbound.rules)
        if not found.get("team") and found.get("enterprise"):  # an app that is installed for a whole organization
            found = {**found, "team": found["enterprise"]}
        values = slack.INSTALLATION.config.read(found, "", problems)
        if problems:
            raise api_error(ErrorCode.PROVIDER_FAILED, f"Slack's response is not an installation: {problems[0]}")
        return dict(values)


NOT_CONFIGURED = ResponseSpec(404, "The project has no Slack integration", Errors)

_BASE, _TAG, _R = "/v2/integrations/slack/installations", "Integrations", SlackInstallationsResource

OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        f"{_BASE}/start",
        USER,
        _R.start,
        "Start to install: Slack",
        ResponseSpec(201, "Where to send the browser", StartedSlackInstallation),
        START,
        failures=(NOT_CONFIGURED,),
        idempotent=True,
        tag=_TAG,
    ),
    Operation(
        "POST",
        f"{_BASE}/finish",
        USER,
        _R.finish,
        "Finish to install: Slack",
        ResponseSpec(201, "Installed", SLACK_INSTALLATION),
        FINISH,
        failures=(NOT_CONFIGURED,),
        idempotent=True,
        tag=_TAG,
    ),
]
