"""Incoming webhooks against what others made: GitHub's example payloads, and Amazon's validator of SNS messages."""

import json
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.channels import github
from tests.channels.test_incoming_webhooks import SECRET, nothing, read_sns
from tests.channels.webhook_signers import certificate, github_headers, request_of, sns_message
from tests.clients.running import npm_install

EXAMPLES, VALIDATOR = "@octokit/webhooks-examples@7.6.1", "sns-validator@0.3.5"

JUDGE = """
const Validator = require('sns-validator');
const https = require('https');
const { Readable } = require('stream');
const [certificate, messages] = JSON.parse(require('fs').readFileSync(0));
https.get = (url, respond) => {  // the validator fetches the certificate from Amazon
  const response = Readable.from([certificate]);
  response.statusCode = 200;
  respond(response);
  return { on() { return this; } };
};
const judged = messages.map((message) => new Promise((done) =>
  new Validator().validate(message, (error) => done(error === null))));
Promise.all(judged).then((found) => console.log(JSON.stringify(found)));
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Node, and the directory with the packages."""
    directory = tmp_path_factory.mktemp("webhooks")
    return npm_install(directory, EXAMPLES, VALIDATOR), directory


def judged(node: str, directory: Path, found: list[dict[str, str]]) -> list[bool]:
    """Return which messages Amazon's validator accepts."""
    (directory / "judge.js").write_text(JUDGE)
    done = subprocess.run(
        [node, "judge.js"], input=json.dumps([certificate(), found]), cwd=directory, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    accepted: list[bool] = json.loads(done.stdout)
    return accepted


async def test_every_example_of_github_is_read_as_json_and_as_a_form(packages: tuple[str, Path]) -> None:
    (path,) = packages[1].glob("node_modules/@octokit/webhooks-examples/api.github.com/index.json")
    read, seen = github.WEBHOOK.read, 0
    for event in json.loads(path.read_text()):
        for example in event["examples"]:
            body, seen = json.dumps(example).encode(), seen + 1
            form = urlencode({"payload": body}).encode()
            for content, kind in ((body, "application/json"), (form, "application/x-www-form-urlencoded")):
                headers = {**github_headers(SECRET, content, event["name"]), "content-type": kind}
                delivery = await read(request_of(headers, content), SECRET, nothing)
                assert (delivery.type, delivery.payload) == (event["name"], example)
                assert delivery.description.startswith(event["name"])
    assert seen > 100


async def test_amazons_validator_and_this_gateway_accept_and_refuse_the_same_messages(
    packages: tuple[str, Path],
) -> None:
    url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    good = [
        sns_message(),
        sns_message(version="1"),
        sns_message(Subject="Done", Message='{"a": "é\\n"}'),
        sns_message(kind="SubscriptionConfirmation", Token="t", SubscribeURL=url),
    ]
    bad = [{**good[0], "Message": "It is gone."}, {**good[0], "MessageId": "other"}, {**good[3], "Token": "u"}]
    assert judged(*packages, good + bad) == [True] * 4 + [False] * 3
    for message in good:
        assert (await read_sns(message)).id == message["MessageId"]
    for message in bad:
        with pytest.raises(Exception, match="Signature"):
            await read_sns(message)
