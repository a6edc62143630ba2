"""Check a server or a client against the live protocol: `python -m conformance --help`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import aiohttp

from conformance import report
from conformance.checks import SPECIFICATION, Result, Suite, exit_code, result_of
from conformance.rules import CLIENT, SERVER
from conformance.script import serve
from conformance.target import Target

AT_ONCE = 8
"""So many checks run at the same time. Most of the time of the slow ones is waiting for a heartbeat."""

CHECK_SECONDS = 240.0

SERVER_HELP = f"""\
Checks a server against the live protocol ({SPECIFICATION}).

Each rule is a numbered check: `4.2a` is a rule of section 4.2. The checks create users in the project of the API key,
named conformance-…, and send them notifications. With the default heartbeat of 25 seconds they take a minute or two.

`python -m conformance client` is the other side: it checks a client."""

CLIENT_HELP = f"""\
Checks a client against the live protocol ({SPECIFICATION}).

It listens as a server with one user. Point a client at the address that it prints: any API key, user and HMAC are
right. Steps begin when the client connects, follow each other on its connections, and end by themselves."""

EXIT_CODES = (
    "Exit codes: 0 if no check failed, 1 if one failed, 2 for wrong arguments or a server that does not answer."
)


def parser_of(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the side that the first argument names."""
    is_client = arguments[:1] == ["client"]
    parser = argparse.ArgumentParser(
        prog="python -m conformance" + (" client" if is_client else ""),
        description=CLIENT_HELP if is_client else SERVER_HELP,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="print the numbers and sentences of the checks, and end")
    parser.add_argument("--only", action="append", default=[], metavar="NUMBER", help="a check, a section or a chapter")
    parser.add_argument("--json", action="store_true", help="print one JSON document in place of lines")
    if is_client:
        parser.add_argument("--listen", type=int, default=8100, metavar="PORT", help="the port, 8100 by default")
        parser.add_argument("--seconds", type=float, default=60, help="the time that a client has for each step")
        return parser
    parser.add_argument("url", nargs="?", default=os.environ.get("INBOX"), help="of the server; INBOX by default")
    parser.add_argument("--api-key", default=os.environ.get("API_KEY"), help="API_KEY of the environment by default")
    parser.add_argument("--api-secret", default=os.environ.get("API_SECRET"), help="API_SECRET by default")
    parser.add_argument("--seconds", type=float, default=20, help="the time that a server has for each message")
    parser.add_argument("--retained-events", type=int, metavar="NUMBER", help="how many events a user's log keeps")
    return parser


async def check_server(given: argparse.Namespace, show: Callable[[Result], None]) -> list[Result]:
    """Run the checks of a server, some at a time. Results are shown in the order of the specification."""
    turns = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=None, connect=given.seconds)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, read_bufsize=2**24) as http:
        target = Target(given.url, given.api_key, given.api_secret, http, given.seconds, given.retained_events)

        async def run(number: int) -> Result:
            async with turns:
                return await result_of(checks[number], target, CHECK_SECONDS)

        checks = SERVER.select(given.only)
        running = [asyncio.create_task(run(number)) for number in range(len(checks))]
        results = []
        for each in running:
            results.append(await each)
            show(results[-1])
        return results


async def check_client(given: argparse.Namespace, show: Callable[[Result], None]) -> list[Result]:
    """Listen for a client, and run the steps with it."""
    async with serve(given.listen, given.seconds) as script:
        print(f"Listening on {script.url}: start the client now.", file=sys.stderr, flush=True)
        results = []
        for check in CLIENT.select(given.only):
            results.append(await result_of(check, script, CHECK_SECONDS))
            show(results[-1])
        return results


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for, and return the exit code."""
    is_client = arguments[:1] == ["client"]
    parser = parser_of(arguments)
    given = parser.parse_args(arguments[1:] if is_client else arguments)
    suite: Suite[object] = CLIENT if is_client else SERVER  # type: ignore[assignment] # only selected from
    try:
        checks = suite.select(given.only)
    except ValueError as problem:
        parser.error(str(problem))
    if given.list:
        print(report.listing(checks))
        return 0
    if not is_client and not (given.url and given.api_key and given.api_secret):
        parser.error("give a URL, --api-key and --api-secret, or INBOX, API_KEY and API_SECRET in the environment")

    def show(result: Result) -> None:
        if not given.json:
            print(report.line(result), flush=True)

    try:
        results = asyncio.run((check_client if is_client else check_server)(given, show))
    except OSError as problem:  # the port is taken
        parser.error(str(problem))
    print(report.as_json(results) if given.json else report.summary(results))
    return exit_code(results)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
