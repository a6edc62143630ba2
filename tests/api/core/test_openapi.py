"""The OpenAPI document is valid and complete, and the gateway behaves as it describes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from gateway.api.core.body import read_body
from gateway.api.core.call import ADMIN as ADMINS
from gateway.api.core.call import ADMIN_PROJECT, PROJECT, PUBLIC, USER, WORKSPACE
from gateway.api.core.operation import AnyOperation
from gateway.api.core.unbuilt import NOT_BUILT
from gateway.api.operations import OPERATIONS, document
from tests.api.admin.admins import owner_headers
from tests.api.workspaces import created_project, workspace_headers
from tests.servers import ADMIN, Gateway, user_headers

Case: TypeAlias = "schemathesis.Case[Any]"
Check: TypeAlias = Callable[..., Any]

DOCUMENT = document()
EXAMPLES = 8
"""How many random requests an operation gets, after a hundred that cover its parameters one by one. A random request
takes 45 ms, most of which is its generation."""

EXAMPLES_OF_GENERATED = 3
"""How many random requests a generated operation gets: a hundred rows share a few handlers."""

GENERATED = (
    r"^/v2/(integrations/(?!fcm|inbox)[^/]+(/{integration_id})?"
    r"|(users/{user_id}/)?channels/(?!mobile_push/apns|deliveryconfig|user_preferences).*)$"
)
"""The paths of operations that are generated for each kind of integration and of channel token. Some kinds stand for
all: the other ones get fewer requests."""


def described(operation: AnyOperation) -> dict[str, Any]:
    """Return the description of a row in the document."""
    found: dict[str, Any] = DOCUMENT["paths"][re.sub(r":\w+}", "}", operation.path)][operation.method.lower()]
    return found


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_row_and_both_live_transports_are_described_once() -> None:
    rows = [described(operation)["operationId"] for operation in OPERATIONS]
    live = [DOCUMENT["paths"][path]["get"]["operationId"] for path in ("/realtime/ws", "/realtime/sse")]
    everything = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert sorted(everything) == sorted({*rows, *live})


def test_an_operation_that_is_not_built_is_described_as_such() -> None:
    unbuilt = [operation for operation in OPERATIONS if operation.success is NOT_BUILT]
    assert unbuilt
    for operation in unbuilt:
        assert described(operation)["tags"] == ["Not built yet"]
        assert list(described(operation)["responses"]) == ["501"]


def test_an_operation_is_in_a_section_that_the_document_describes() -> None:
    sections = {tag["name"] for tag in DOCUMENT["tags"]}
    used = {described(operation)["tags"][0]: repr(operation) for operation in OPERATIONS}
    assert used.keys() <= sections
    assert used["Events"].startswith("GET /v2/events")


def test_no_two_types_share_the_name_of_a_component() -> None:
    # msgspec would put the names of their modules before it, which generated clients use.
    assert not [name for name in DOCUMENT["components"]["schemas"] if "." in name]


def test_every_example_of_a_body_is_valid() -> None:
    for body in [operation.inputs.body for operation in OPERATIONS if operation.reads_body]:
        read_body(json.dumps(body.wrapped(body.example)).encode(), body.root, body.param)


def test_the_command_line_prints_the_document_without_a_store() -> None:
    printed = subprocess.run([sys.executable, "-m", "gateway", "openapi"], capture_output=True, check=True, timeout=30)
    assert json.loads(printed.stdout) == json.loads(json.dumps(DOCUMENT))


async def test_the_gateway_serves_the_document(http: httpx.AsyncClient) -> None:
    response = await http.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == json.loads(json.dumps(DOCUMENT))


# ---- the gateway against its document

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.config.seed = 1
SCHEMA.config.update(request_timeout=60)  # shared machines pause now and then
SCHEMA.config.generation.update(with_security_parameters=False)


def credentials_of(row: AnyOperation, gateway: Gateway) -> dict[str, str]:
    """Return the credentials that an operation needs."""
    if row.caller is WORKSPACE:
        return workspace_headers(gateway)
    if row.caller in (ADMINS, ADMIN_PROJECT):
        return owner_headers(gateway)
    return {PROJECT: ADMIN, USER: user_headers("schemathesis"), PUBLIC: {}}[row.caller]


ROWS = {(row.method, re.sub(r":\w+}", "}", row.path)): row for row in OPERATIONS}


def row_of(case: Case) -> AnyOperation:
    """Return the row that a case was made for. The method of the case may differ, to test that it is refused."""
    return ROWS[case.operation.method.upper(), case.operation.path]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Connections that stay open. A new session for each request costs more than the request."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


BEYOND_SCHEMA = {
    # Valid by itself, but not after earlier requests.
    r"^/v2/integrations/": r"is redacted|must be sent again",
    r"^/v2/jwt/keys": r"keys\[",
    # Combinations that a schema cannot exclude.
    r"^/(v2/)?": r"idempotency_key_reused|page\[(before|after)",
    r"^/(v2/)?(notifications|broadcasts|users|imports|jwt/user)": (
        r"and the email of another|must have an email or an external_id"
    ),
    r"^/(v2/)?(notifications|broadcasts)(/audience)?$": r"[.']topic' is missing",
    r"revoke_tokens$": r"in the future",
    r"/deliveryconfig$": r"listed already|must be 0 for in_app|the same in the query",
    r"^/v2/integrations/slack/installations/": r"'state' is not of|'app_id' is not that of",
    r"^/v2/integrations/web_push$": r"public half of",
    # Texts that are parsed: conditions, keys, and addresses, which must be public.
    r"^/(v2/)?(notifications|broadcasts)|/deliveryconfig$": r"is not a condition",
    r"^/v2/integrations/(github|stripe|awssns)$": r"is not a condition|in its braces|closed by|must have one of",
    r"^/v2/integrations/(apns|fcm|awssns|web_push)$": r"in PEM|on P-256",
    r"^/v2/channels/(slack|teams|web_push)/tokens$|^/v2/integrations/(fcm|ping_email|smtp|.*/installations)$": (
        r"a public (host|address)|must be an https|must have port|must have a host name"
    ),
    r"^/v2/webhooks/endpoints(/{endpoint_id})?$": (
        r"a public (host|address)|must be an https|must have port|must have a host name|which is the limit"
    ),
    r"^/admin/api/projects$": r"must be the number of a workspace",
    r"^/admin/api/admins": r"is another admin's|names workspaces that do not exist",
    r"^/v2/integrations/ses$": r"INBOX_OUTBOUND_ALLOWED_NETWORKS",
    r"^/v2/integrations/templates(/installations|/preview)?$": (
        r"is not a template|must be|is not known|has no templates|needs 'user'"
    ),
    # Objects that the bodies of v1 share, which are not closed.
    r"^/v2/broadcasts(/audience)?$": r"Param '[^']+\.[^']*' is not known",
}
"""By the path of an operation: the messages about requests that are valid by the schema, and are refused nevertheless.
"""


def is_beyond_schema(row: AnyOperation, text: str) -> bool:
    """Return whether a 422 response may be to a request that is valid by the schema."""
    return any(re.search(path, row.path) and re.search(found, text) for path, found in BEYOND_SCHEMA.items())


def excluded_checks(case: Case, response: Response) -> list[Check]:
    """Return the checks that do not apply to a response."""
    row = row_of(case)
    # The v1 contract returns 404 to a request without credentials, and this check expects 401. See test_credentials.py.
    excluded = [ignored_auth]
    if row.path == "/v2/integrations/templates" and not response.request.body:
        excluded.append(negative_data_rejection)  # the vendor's Go client sends no body
    if row.path == "/v2/integrations/slack/installations/finish" and response.status_code == 502:
        excluded.append(not_a_server_error)  # the tests' gateway cannot reach Slack, so this is the right response
    if response.status_code == 413:
        excluded.append(negative_data_rejection)  # refused for its size before it is decoded
    if row.inputs.query:
        # Every value in a query is text, so a value that this check considers of the wrong type is often valid. See
        # v1/test_notifications.py.
        excluded.append(negative_data_rejection)
    if case.method != row.method and any(
        other.method == case.method and re.fullmatch(re.sub("{.*?}", ".+", other.path), row.path)
        for other in OPERATIONS
    ):
        excluded.append(unsupported_method)  # GET /notifications/read fetches the notification with the id "read"
    if response.status_code == 422 and is_beyond_schema(row, response.text):
        excluded.append(positive_data_acceptance)
    return excluded


# The sign-in limits failed tries, and ends the session of the test: see tests/api/admin.
TESTED = SCHEMA.exclude(
    path_regex="^/(realtime/(ws|sse)|v2/(events|connections)/tail|admin/api/(login|logout|confirm|sessions|me/password))$"
).exclude(tag="Not built yet")


@TESTED.exclude(path_regex=GENERATED).parametrize()
@settings(max_examples=EXAMPLES, derandomize=True)
def test_any_request_gets_a_documented_response(
    case: Case, gateway: Gateway, session: requests.Session, project_of_admins: str
) -> None:
    assert_documented(case, gateway, session, project_of_admins)


@TESTED.include(path_regex=GENERATED).parametrize()
@settings(max_examples=EXAMPLES_OF_GENERATED, derandomize=True)
def test_any_request_to_a_generated_operation_gets_a_documented_response(
    case: Case, gateway: Gateway, session: requests.Session
) -> None:
    if not is_of_wrong_type_in_query(case):
        assert_documented(case, gateway, session)


def is_of_wrong_type_in_query(case: Case) -> bool:
    """Return whether a parameter of the query has a value of another type.

    Half of all requests would be of this kind. All lists have the same parameters for paging, whose values are sent to
    those lists that are not generated.
    """
    data = case.meta.phase.data if case.meta is not None else None
    return (
        isinstance(data, CoveragePhaseData)
        and data.scenario is CoverageScenario.INCORRECT_TYPE
        and data.parameter_location is ParameterLocation.QUERY
    )


@pytest.fixture(scope="module")
def project_of_admins(gateway: Gateway) -> str:
    """The id of a project that only the operations of admins use: they rotate its secret."""
    return str(created_project(gateway)["id"])


def assert_documented(case: Case, gateway: Gateway, session: requests.Session, project_id: str = "") -> None:
    """Send a request, and check its response."""
    row = row_of(case)
    if row.caller is WORKSPACE:
        case.path_parameters["workspace_id"] = "1"  # a token is valid for one workspace
    if row.caller is ADMIN_PROJECT:
        case.path_parameters["project_id"] = "0" if row.method == "DELETE" else project_id
    credentials = credentials_of(row, gateway)
    response = case.call(base_url=gateway.url, session=session, headers=credentials, allow_redirects=False)
    case.validate_response(
        response,
        headers=credentials,
        additional_checks=[nothing_undocumented_is_answered],
        excluded_checks=excluded_checks(case, response),
    )


def test_operations_are_consistent_with_each_other(gateway: Gateway) -> None:
    """Follow links between operations, which are inferred from names: what one creates, others read and delete."""

    class Workflow(TESTED.exclude(path_regex="^/admin/").as_state_machine()):  # type: ignore[misc] # schemathesis has no type for it
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {
                "base_url": gateway.url,
                "headers": credentials_of(row_of(case), gateway),
                "allow_redirects": False,
            }

        def validate_response(self, response: Response, case: Case, **_: Any) -> None:
            headers = credentials_of(row_of(case), gateway)
            case.validate_response(response, headers=headers, excluded_checks=excluded_checks(case, response))

    run_state_machine_as_test(
        Workflow,
        settings=settings(
            max_examples=15, stateful_step_count=12, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )


def nothing_undocumented_is_answered(ctx: object, response: Response, case: Case) -> None:
    """Check that a successful response has no field that its type does not have."""
    success = row_of(case).success
    if response.status_code == success.status and success.type is not None:
        assert msgspec.to_builtins(msgspec.convert(response.json(), success.type)) == response.json()


def test_path_parameters_are_described() -> None:
    described_names = {
        (parameter["name"], bool(parameter.get("description")))
        for row in OPERATIONS
        for parameter in described(row).get("parameters", [])
        if parameter.get("in") == "path"
    }
    for name in ("user", "user_or_token", "topic", "device_token", "workspace_id", "project_id"):
        assert (name, True) in described_names
        assert (name, False) not in described_names


# ---- the page


def test_the_page_shows_every_operation_that_is_built_and_uses_no_other_host(gateway: Gateway) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    asked, problems = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda problem: problems.append(problem))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{gateway.url}/docs#post_notifications")
        # The operation that the fragment names is open, with a command to copy.
        sync_api.expect(page.locator("#post_notifications pre")).to_contain_text("Your order has shipped")
        shown = page.locator("main details[id] .method").count()
        browser.close()
    everything = [row for methods in DOCUMENT["paths"].values() for row in methods.values()]
    assert shown == len([row for row in everything if row["tags"] != ["Not built yet"]])
    assert {url for url in asked if not url.startswith("data:")} == {
        *(f"{gateway.url}/{path}" for path in ("docs", "web/docs/style.css", "web/docs/main.js", "openapi.json"))
    }
    assert not problems
