"""The words of traces: times, the names of messages and providers, and why something was not sent."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from gateway.domain.delivery import Route, SkipReason
from gateway.domain.notification import UNCATEGORIZED
from gateway.domain.preferences import Channel
from gateway.domain.trace_facts import TraceFacts

_MESSAGES = {
    Route.APNS: "push message by APNs",
    Route.FCM: "push message by FCM",
    Route.EXPO: "push message by Expo",
    Route.WEB_PUSH: "web push message",
    Route.EMAIL: "mail",
    Route.SLACK: "Slack message",
    Route.SMS: "SMS",
    Route.TEAMS: "Teams message",
    Route.WEBHOOKS: "webhook",
}

_OF_CHANNEL = {Channel.MOBILE_PUSH: "push message", Channel.IN_APP: "inbox"}

_PROVIDERS = {
    "apns": "APNs",
    "fcm": "FCM",
    "expo": "Expo",
    "web_push": "the browser's push service",
    "smtp": "the SMTP server",
    "ses": "Amazon SES",
    "sendgrid": "SendGrid",
    "mailgun": "Mailgun",
    "ping_email": "Ping",
    "slack": "Slack",
    "teams": "Teams",
    "twilio": "Twilio",
    "webhook": "the endpoint",
}

_TARGETS = {
    Channel.MOBILE_PUSH: ("device", "devices"),
    Channel.WEB_PUSH: ("browser", "browsers"),
    Channel.SLACK: ("Slack channel", "Slack channels"),
    Channel.TEAMS: ("Teams channel", "Teams channels"),
    Channel.EMAIL: ("address", "addresses"),
    Channel.SMS: ("number", "numbers"),
    None: ("endpoint", "endpoints"),
}

_SECOND = 1_000
_DAY = 24 * 3600


def message_of(route: Route) -> str:
    """Return what a route sends: `mail`."""
    return _MESSAGES[route]


def channel_message(channel: Channel) -> str:
    """Return what a channel sends, whatever the route: `push message`."""
    return _OF_CHANNEL.get(channel) or next(_MESSAGES[route] for route in Route if route.channel is channel)


def with_article(noun: str) -> str:
    """Return a noun with its article: `an SMS`."""
    return f"{'an' if noun[0] in 'aeiou' or noun == 'SMS' else 'a'} {noun}"


def provider_name(name: str) -> str:
    """Return a provider as sentences name it."""
    return _PROVIDERS.get(name, name or "the provider")


def targets(channel: Channel | None, count: int) -> str:
    """Return the destinations of a channel: `2 devices`."""
    one, many = _TARGETS[channel]
    return f"{count} {one if count == 1 else many}"


def clock(at_ms: int, since_ms: int | None = None) -> str:
    """Return a time in UTC: with its date, unless it is on the day of `since_ms`."""
    at = datetime.fromtimestamp(at_ms // _SECOND, UTC)
    if since_ms is not None and datetime.fromtimestamp(since_ms // _SECOND, UTC).date() == at.date():
        return f"{at:%H:%M}"
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration(seconds: int) -> str:
    """Return a duration in the two largest units that are not 0: `5 minutes`, `1 hour 30 minutes`."""
    parts = []
    for size, unit in ((_DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list: `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def category_text(category: str) -> str:
    """Return a category as sentences name it."""
    return f"the category '{category}'" if category not in ("", UNCATEGORIZED) else "notifications without a category"


def sentence(text: str) -> str:
    """Return a text as a sentence: with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def joined(parts: Iterable[str]) -> str:
    """Return parts as one sentence."""
    return sentence("; ".join(part for part in parts if part))


def why_skipped(facts: TraceFacts, route: Route, reason: str, delay_seconds: int = 0) -> str:
    """Return why nothing was sent on a route, as the end of `no mail was sent because …`."""
    early = f"before the delay of {duration(delay_seconds)} ended" if delay_seconds else "first"
    channel = route.channel
    match reason:
        case SkipReason.READ.value | SkipReason.ARCHIVED.value | SkipReason.DELETED.value:
            return f"it was {reason} {early}"
        case SkipReason.PREFERENCE.value:
            return f"{facts.who} has switched this channel off for {category_text(facts.category)}"
        case SkipReason.UNSUBSCRIBED.value:
            return f"{facts.who} is not subscribed to its topic"
        case SkipReason.CONDITION.value:
            return f"the `if` of the delivery config '{facts.config.key}' did not hold{_condition(facts, channel)}"
        case SkipReason.DISABLED.value:
            return f"the delivery config '{facts.config.key}' does not use this channel"
        case SkipReason.NO_TOKEN.value:
            return f"{facts.who} has registered no {_TARGETS[channel][0]} for it"
        case SkipReason.NO_ADDRESS.value:
            return f"{facts.who} has no {'phone number' if route is Route.SMS else 'email address'}"
        case SkipReason.SUPPRESSED.value:
            return f"the {_TARGETS[channel][0]} has failed for good before"
        case SkipReason.EXPIRED.value:
            return "it was too late to be of use"
        case SkipReason.NO_INTEGRATION.value:
            return "the project has configured no provider for it"
        case SkipReason.CANCELED.value:
            return "it was canceled"
    return f"of the reason '{reason}'"


def _condition(facts: TraceFacts, channel: Channel | None) -> str:
    text = facts.conditions.get(channel) if channel is not None else None
    return f" ({text})" if text else ""
