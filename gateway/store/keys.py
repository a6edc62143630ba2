"""The names of all keys and pub/sub channels, each with its type and lifetime.

No other module contains the name of a key. A Lua function is called with the key of an aggregate (KEYS). The names of
the other keys in the same slot are that key and one of the suffixes below, which the library declares as Lua constants.
If an entry says that a part follows the suffix (a bucket, a category, an id), the function appends it in that form. No
other names are composed, in Python or in Lua. tests/store/test_keys.py compares the keys of a used store with the
entries.

FORMAT is the version of the formats of all stored values. It is incremented by a change that an older gateway would
misread, and the change comes with code that reads the older format. The version is written

    once for the store     STORE_FORMAT, beside the projects: for projects, workspaces, the queue of jobs, and whether
                           a node may use this store at all
    in each user record    the field `format` of `user`: for everything in the slot of that user, such as items, states,
                           the log, preferences, subscriptions, channel tokens and tokens
    in each project        the field `format` of its record: for everything in the project's own slot, such as tokens,
                           categories, the holders of channel tokens, sweeps
    in the directory       the field `format`: for users' records there, the user index and the subscribers
    in expiring records    the field `format` of each job and of each idempotency record, because nodes of two versions
                           share these during an upgrade; and the first byte of each content, which is read without its
                           project

Smaller entries have no version of their own, because they are read only after the record that has one. Data of a format
other than FORMAT, and data without a required format, is left unchanged (StoreFormatError). Builds before format 1
wrote no format, which identifies their data. tests/golden has data of this format, which every later build must serve.

Keys of one user share the hash tag `{project:user}` and so one slot of a Redis Cluster; those of a project share
`{project}`.
"""

from gateway.domain.ids import ProjectId, UserId, WorkspaceId

PREFIX = "inbox:1:"

FORMAT = "1"


# ---- the projects and workspaces of the store, in one slot

PROJECTS = PREFIX + "{projects}"
"""hash: API key -> project record in JSON. For ever.

PROJECT_SUFFIXES names the keys beside it.
"""

PROJECT_SUFFIXES = {
    # string: the format of all that is stored. For ever.
    "STORE_FORMAT": ":format",
    # hash: project id -> API key. For ever.
    "PROJECT_IDS": ":ids",
    # sorted set: project ids by creation time in ms, one per workspace (its id follows). While it has projects.
    "WORKSPACE_PROJECTS": ":of:",
    # hash: workspace id -> title. For ever.
    "WORKSPACES": ":workspaces",
    # hash: id of a deleted project -> workspace id. Until a job is to remove its data.
    "DELETED_PROJECTS": ":deleted",
    # string: the greatest project id that was ever assigned, a number. For ever.
    "LAST_PROJECT": ":last_project",
    # string: a random name that the store gets when it is first prepared. Another name means another store. For ever.
    "STORE_NAME": ":store_name",
    # string: how many workspaces were ever created besides the default one. For ever.
    "LAST_WORKSPACE": ":last_workspace",
    # string "1": this workspace token (its id follows) was revoked. Until the token would have expired.
    "REVOKED_WORKSPACE_TOKEN": ":revoked:",
}

SECRET_KEY_ID = PROJECTS + ":secret_key_id"
"""string: the id of the secret key that encrypted the projects' secrets. For ever."""

STORE_FORMAT = PROJECTS + PROJECT_SUFFIXES["STORE_FORMAT"]
PROJECT_IDS = PROJECTS + PROJECT_SUFFIXES["PROJECT_IDS"]
DELETED_PROJECTS = PROJECTS + PROJECT_SUFFIXES["DELETED_PROJECTS"]
LAST_PROJECT = PROJECTS + PROJECT_SUFFIXES["LAST_PROJECT"]
WORKSPACES = PROJECTS + PROJECT_SUFFIXES["WORKSPACES"]
LAST_WORKSPACE = PROJECTS + PROJECT_SUFFIXES["LAST_WORKSPACE"]


def workspace_projects(workspace_id: WorkspaceId) -> str:
    """sorted set: the WORKSPACE_PROJECTS of a workspace. While it has projects."""
    return PROJECTS + PROJECT_SUFFIXES["WORKSPACE_PROJECTS"] + workspace_id


# ---- a project, in one slot


def project(project_id: ProjectId) -> str:
    """Return the beginning of the keys of a project's tokens: TOKENS and TOKEN of USER_SUFFIXES follow. Not a key."""
    return f"{PREFIX}{{{project_id}}}"


def directory(project_id: ProjectId) -> str:
    """hash: the users of a project. For ever.

    `x:external_id` and `e:email` -> user id; `u:user_id` -> JSON {"x", "e", "n": place in the user index, "gone_x",
    "gone_e": when previous users of these names were deleted, "c": when it was created, in seconds}; `n` -> how many
    users there ever were; `format`.

    DIRECTORY_SUFFIXES names the keys beside it.
    """
    return f"{PREFIX}{{{project_id}}}:users"


DIRECTORY_SUFFIXES = {
    # string: the user index, in parts of 65,536 users (the part's number follows): their ids in the order of their
    # creation, 16 bytes each, zeros for a deleted one. For ever.
    "USER_INDEX": ":roster:",
    # string: the second until which the hourly limit of new users is exhausted, of a project or of an address (it
    # follows). An hour.
    "NEW_USER_LIMITS": ":newcomers:",
    # sorted set: users who may be subscribed to a topic (it follows), ids (16 bytes) by place in the user index; and ""
    # with the latest claim, a negative number. While there are subscribers.
    "SUBSCRIBERS": ":subscribers:",
    # sorted set: digests of names that deleted users had, by the second of the deletion. A year.
    "DELETED_NAMES": ":gone",
}


def user_index(project_id: ProjectId, part: int) -> str:
    """string: a part of the USER_INDEX of a project. For ever."""
    return f"{directory(project_id)}{DIRECTORY_SUFFIXES['USER_INDEX']}{part}"


def topic_subscribers(project_id: ProjectId, topic: str) -> str:
    """sorted set: the SUBSCRIBERS of a topic. While there are subscribers."""
    return directory(project_id) + DIRECTORY_SUFFIXES["SUBSCRIBERS"] + topic


def idempotency(project_id: ProjectId, key: str) -> str:
    """hash: format, fingerprint and plan of the first request with this Idempotency-Key; lease_ms and holder of the
    attempt that runs it; status and body once it is finished. 24 h.
    """
    return f"{PREFIX}{{{project_id}}}:idempotency:{key}"


def webhook_delivery(project_id: ProjectId, digest: str) -> str:
    """string "1": the delivery of a provider with this digest was processed. 30 days."""
    return f"{PREFIX}{{{project_id}}}:webhook:{digest}"


def categories(project_id: ProjectId) -> str:
    """set: the categories that the project has sent, up to a bound. For ever."""
    return f"{PREFIX}{{{project_id}}}:categories"


def integrations(project_id: ProjectId) -> str:
    """hash: kind -> JSON {"id", "config", "names": the paths of its secrets, "sealed": their values, encrypted}. Until
    deleted.
    """
    return f"{PREFIX}{{{project_id}}}:integrations"


def delivery_configs(project_id: ProjectId) -> str:
    """hash: category, or `default` -> delivery config in JSON, up to a bound. For ever."""
    return f"{PREFIX}{{{project_id}}}:delivery_configs"


def contents(project_id: ProjectId) -> str:
    """set: the ids (16 bytes) of a project's shared contents, for the deletion of the project. For ever."""
    return f"{PREFIX}{{{project_id}}}:contents"


def token_holders(project_id: ProjectId) -> str:
    """hash: digest of a channel token (11 bytes, the first a NUL) -> JSON [[user id, claim], …] of the users who may
    hold it, the owner first; "" -> the last claim; and the same by device token, from before channel tokens. For ever;
    a token until it is removed.
    """
    return f"{PREFIX}{{{project_id}}}:devices"


def token_kinds(project_id: ProjectId) -> str:
    """hash: kinds of channel tokens that were ever registered -> 1; "" -> how many claims were counted. For ever."""
    return token_holders(project_id) + HOLDER_SUFFIXES["REGISTERED"]


HOLDER_SUFFIXES = {
    # hash, beside the holders: as `token_kinds`. For ever.
    "REGISTERED": ":kinds",
}


def token_owner(project_id: ProjectId, token_id: str) -> str:
    """string: the id of the user to whom this token was issued. Until it expires."""
    return f"{PREFIX}{{{project_id}}}:token_owner:{token_id}"


def admin_rate(project_id: ProjectId) -> str:
    """Return the beginning of the counters of a project's admin calls: RATE of USER_SUFFIXES follows. Not a key."""
    return f"{PREFIX}{{{project_id}}}:admin"


def demo_visitors(project_id: ProjectId) -> str:
    """sorted set: the visitors of the demo project, by the second of their last request. Bounded by their number."""
    return f"{PREFIX}{{{project_id}}}:demo_visitors"


def swept(project_id: ProjectId) -> str:
    """string: `started_ms items seconds` of the last complete sweep of a project's inboxes. A day."""
    return f"{PREFIX}{{{project_id}}}:swept"


def active_users(project_id: ProjectId, month: str) -> str:
    """HyperLogLog: the ids of users active in a calendar month (`YYYY-MM`, UTC). 25 months."""
    return f"{PREFIX}{{{project_id}}}:mau:{month}"


def usage(project_id: ProjectId, period: str) -> str:
    """hash: sends, broadcasts, stored, suppressed, and `channel:state` -> deliveries that ended so, of a month
    (`YYYY-MM`) or a day (`YYYY-MM-DD`) in UTC. A month for 25 months, a day for 100 days.
    """
    return f"{PREFIX}{{{project_id}}}:usage:{period}"


def usage_minutes(project_id: ProjectId, hour: str) -> str:
    """string: the counts of an hour (`YYYY-MM-DDTHH`) by minute: 60 numbers of 4 bytes for each series of `Series`.
    25 h.
    """
    return f"{PREFIX}{{{project_id}}}:usage_minutes:{hour}"


def latest_failures(project_id: ProjectId) -> str:
    """list: the newest deliveries that failed, in JSON, the newest first. Bounded by count; 30 days after the last."""
    return f"{PREFIX}{{{project_id}}}:latest_failures"


def live_connections(project_id: ProjectId) -> str:
    """hash: worker -> the live connections of the project on it, a number for each transport. Until a worker that has
    ended is found gone; minutes.
    """
    return f"{PREFIX}{{{project_id}}}:live"


def storage(project_id: ProjectId) -> str:
    """string: what the project stores, in JSON, as it was last measured. 600 s."""
    return f"{PREFIX}{{{project_id}}}:storage"


def milestones(project_id: ProjectId) -> str:
    """hash: milestone -> the unix ms at which the project first reached it. For ever."""
    return f"{PREFIX}{{{project_id}}}:milestones"


def refusals(project_id: ProjectId, window: int) -> str:
    """hash: `code origin` -> connections and requests of users that were refused so, in ten minutes. Half an hour."""
    return f"{PREFIX}{{{project_id}}}:refusals:{window}"


def project_events(project_id: ProjectId) -> str:
    """hash: ms and number, the place of the last event of a project. As long as the events are kept.

    EVENT_SUFFIXES names the keys beside it. The same string is the name of the (sharded) pub/sub channel of the events.
    """
    return f"{PREFIX}{{{project_id}}}:events"


EVENT_SUFFIXES = {
    # stream: `ms-number` -> u: the user's id (16 bytes) or "", c: the context in JSON or "". One per type of event (its
    # number follows). Bounded by count and age.
    "EVENT_STREAM": ":type:",
    # string: 10 bytes for each event of one type (its number follows, and a colon) of the users whose ids have the same
    # rest (it follows): ms (6), number (2), and two bytes of the id. As long as the events are kept.
    "EVENT_INDEX": ":user:",
}


def webhook_endpoints(project_id: ProjectId) -> str:
    """hash: endpoint id -> JSON of an endpoint of outgoing webhooks, its secrets encrypted. Until deleted."""
    return f"{PREFIX}{{{project_id}}}:webhook_endpoints"


def webhook_place(project_id: ProjectId) -> str:
    """string: `ms-number`, the place of the last project event of which webhooks were made. For ever."""
    return f"{PREFIX}{{{project_id}}}:webhook_place"


def sent_recipients(project_id: ProjectId, notification_id: str) -> str:
    """string: the ids (16 bytes each) of the users whom a request with several recipients named. 30 days."""
    return f"{PREFIX}{{{project_id}}}:sent:{notification_id}"


def reached(project_id: ProjectId, job_id: str) -> str:
    """string: the REACHED of a job. 30 days."""
    return job(project_id, job_id) + JOB_SUFFIXES["REACHED"]


def job(project_id: ProjectId, job_id: str) -> str:
    """hash: format, kind, payload, status, created_ms, cursor, steps, claim, attempts, and counts by name. 30 days.

    JOB_SUFFIXES names the keys beside it. With "" as the id, it is the beginning of the keys of a project's jobs.
    """
    return f"{PREFIX}{{{project_id}}}:job:{job_id}"


def jobs(project_id: ProjectId, kind: str) -> str:
    """sorted set: the ids of a kind's jobs by creation ms, up to a bound. 30 days after the last."""
    return f"{PREFIX}{{{project_id}}}:jobs:{kind}"


# ---- a shared content, in a slot of its own


def content(project_id: ProjectId, content_id: str) -> str:
    """string: FORMAT, then what follows the id in a content that many items share. Until its project is deleted."""
    return f"{PREFIX}{{{project_id}:content:{content_id}}}"


def overrides(project_id: ProjectId, notification_id: str) -> str:
    """string, beside the content of a notification: FORMAT, then its overrides for other channels in JSON. 30 days."""
    return content(project_id, notification_id) + ":overrides"


def span_context(project_id: ProjectId, notification_id: str) -> str:
    """string, beside the content of a notification: the span of the request that sent it, if it was traced. 4 days."""
    return content(project_id, notification_id) + ":span"


# ---- an endpoint of outgoing webhooks, in one slot


def webhook_endpoint(project_id: ProjectId, endpoint_id: str) -> str:
    """hash: failures, failing_since, resumes (as domain/webhook.py has them), bytes (the size of WEBHOOK_BODIES). Until
    8 days after the last message.

    WEBHOOK_SUFFIXES names the keys beside it.
    """
    return f"{of_webhook_endpoints(project_id)}{endpoint_id}}}"


WEBHOOK_SUFFIXES = {
    # hash: message id (16 bytes, the first 6 its time in ms) -> `state attempts type`, then a line for each attempt.
    # 8 days after the last message; a message for 7 days, and while it is among the newest.
    "WEBHOOK_MESSAGES": ":messages",
    # sorted set: the ids of all messages, all scores 0. As long as WEBHOOK_MESSAGES.
    "WEBHOOK_ORDER": ":order",
    # sorted set: the ids of the messages to be sent, by the unix ms at which they are due. As long as WEBHOOK_MESSAGES.
    "WEBHOOK_DUE": ":due",
    # hash: message id -> body in JSON. As long as WEBHOOK_MESSAGES.
    "WEBHOOK_BODIES": ":bodies",
}


# ---- a user, in one slot


def user(project_id: ProjectId, user_id: UserId) -> str:
    """hash: the record of a user. For ever; of a deleted user only the field `deleted` is left, for a day.

    format; the position of the log: epoch, offset, life (the generation of the server's data when the epoch began);
    counts as of the last event, after its offset; sent_at of the newest item; oldest (no item was sent before; set once
    a retention by age has been applied); log_until (when the log expires); settled_until (until when there may be an
    OUTCOME);
    revoked_before; subscription_bytes (the size of SUBSCRIPTIONS); seen_at (when the user last made a request or
    connected, in seconds); webhooks_at (the offset of the last event of which webhooks were made); outbox (the routes
    that ever had an entry); and the profile fields in JSON.

    USER_SUFFIXES names the keys beside it. The same string is the name of the user's (sharded) pub/sub channel.
    """
    return f"{PREFIX}{{{project_id}:{user_id}}}"


USER_SUFFIXES = {
    # string: calls of a kind (it follows) in the current minute. 60 s.
    "RATE": ":rate:",
    # sorted set: revoked token ids by the second at which they would have expired, plus a margin. Until the last of
    # these seconds.
    "REVOKED": ":revoked",
    # sorted set: ids of issued tokens by the second at which they expire. Until the last of them has.
    "TOKENS": ":tokens",
    # hash: token id -> `created expires discarded name`, in unix seconds, 0 for never. As long as TOKENS.
    "TOKEN": ":token",
    # stream: `offset-ms` -> m: the published message. Bounded by count and age; expires when idle that long.
    "LOG": ":log",
    # hash: item id (16 bytes) -> immutable content: a JSON object without its closing brace, or only up to its id and
    # a NUL if the content is shared. Until the items are deleted.
    "ITEMS": ":items",
    # hash: item id -> `sent seen read archived length(category) categorytopic`, times in unix seconds or 0; an `r`
    # before the length if the request that created it may be repeated. Until the items are deleted.
    "STATES": ":states",
    # sorted set: item ids by creation offset, one per bucket (a digit follows). While it holds items.
    "INBOX": ":i",
    # sorted set: the same per bucket and category (the digit, a colon and its name follow). While it holds items.
    "CATEGORY": ":c",
    # sorted set: per bucket (a digit follows), all scores 0. An item that has a topic has two members: the list of the
    # topic, and that of the topic with the category, each with the offset (6 bytes) and the item id. While it holds
    # items.
    "TOPICS": ":t",
    # string: the outcome that another creation of this item id (it follows) has although there is no item: the item was
    # deleted, or was muted and the request may be repeated. 24 h after the item; a minute if the request may not be
    # repeated.
    "OUTCOME": ":settled:",
    # hash: category -> channels in the order of domain/preferences.py, 1 on and 0 off. For ever.
    "PREFERENCES": ":preferences",
    # hash: topic -> JSON {category: ["1" subscribed or "0" not, reason]}. Until deleted.
    "SUBSCRIPTIONS": ":subscriptions",
    # hash: digest (11 bytes) -> `claim created updated discarded json`, times in unix ms, 0 for never; one per kind of
    # channel token (its path follows). Until registered by another user, or discarded and among too many.
    "CHANNEL_TOKENS": ":channel_tokens:",
    # hash: device token -> `claim registered_ms json`, from before channel tokens. Until converted into these.
    "DEVICES": ":devices",
    # hash: kind, or the kind and a name -> JSON as in `integrations`: what the user set up at a provider. For ever.
    "INSTALLATIONS": ":installations",
    # sorted set: ids (16 bytes) of notifications that are to be sent on a route (its code follows) by the ms at which
    # they are due, or with a fraction, at which the lease of a worker ends. While there are such.
    "OUTBOX": ":outbox:",
    # hash: notification id (16 bytes) and the code of a route -> the claim that holds the entry, a space and the
    # record; the id and `-` -> routes that were left out; the id and `=` -> state and content of what is in no inbox.
    # Until the items are deleted; of what is in no inbox, 30 days.
    "DELIVERIES": ":deliveries",
    # sorted set: ids of notifications that are in no inbox, but are sent, by the second at which they are forgotten.
    # 30 days.
    "UNLISTED": ":unlisted",
    # hash: digest of an address of the user (11 bytes, the first is 1) -> why nothing is sent to it, "" if messages go
    # there again. For ever.
    "SUPPRESSED": ":suppressed",
}

USER_KEYS = (
    *("REVOKED", "TOKENS", "TOKEN", "LOG", "ITEMS", "STATES"),
    *("PREFERENCES", "SUBSCRIPTIONS", "DEVICES", "INSTALLATIONS"),
    *("DELIVERIES", "UNLISTED", "SUPPRESSED"),
)
"""The suffixes to which nothing is appended, so that each names one key."""


def items(user_key: str) -> str:
    """hash: the ITEMS of a user, by the user's key. Until the items are deleted."""
    return user_key + USER_SUFFIXES["ITEMS"]


def states(user_key: str) -> str:
    """hash: the STATES of a user, by the user's key. Until the items are deleted."""
    return user_key + USER_SUFFIXES["STATES"]


# ---- the queue of jobs, in one slot

JOB_QUEUE = PREFIX + "{jobs}"
"""sorted set: `project_id job_id` by the unix ms from which a worker may claim it. Until the job is finished."""

SWEEP_CHECK = JOB_QUEUE + ":sweep_look"
"""string "1": a worker has lately checked for projects that are due for a sweep, so no other has to. Some seconds."""

JOB_SUFFIXES = {
    # hash, beside the queue: job -> the number of the claim that holds it, and "" -> the last claim. While claimed.
    "CLAIMS": ":claims",
    # list, beside a job: its input, in portions that its kind defines. Until the job is finished.
    "PORTIONS": ":portions",
    # list, beside a job: errors in JSON, up to a bound. 30 days.
    "ERRORS": ":errors",
    # string, beside a job: the ids (16 bytes each) of the users whom it reached. 30 days.
    "REACHED": ":reached",
}


# ---- lanes, in several slots


def lanes(shard: int) -> str:
    """hash: claim (the number of the last one), marks (how many there ever were), "" (the virtual time of the lane that
    was served last) and `v` with a project's id (the virtual time of the project), of a shard of lanes. For ever.

    LANE_SUFFIXES names the keys beside it. The name of a lane is `project:route`. The same string is the name of the
    (sharded) pub/sub channel on which lanes with due users are announced.
    """
    return f"{PREFIX}{{deliveries:{shard}}}"


LANE_SUFFIXES = {
    # sorted set: user (16 bytes), project, routes and number by the ms from which the user is looked at. Seconds.
    "MARKS": ":marks",
    # sorted set: lanes by virtual time that may have due users. While they have.
    "READY": ":ready",
    # sorted set: lanes by the ms at which they are ready. While they have users.
    "WAITING": ":waiting",
    # sorted set: parked lanes by the ms at which they were parked. Until unparked.
    "PARKED": ":parked",
    # sorted set: user ids (16 bytes) of a lane (its name follows) by the ms at which they are due; with a fraction, the
    # end of a lease. While they have entries.
    "DUE": ":due:",
    # hash: not_before, rate, burst, tokens, at, failures, opened, half, minute, dead, fine, blamed and reason of a lane
    # (its name follows). A week without a change; while the lane is parked.
    "LANE": ":lane:",
}


def destination(shard: int, digest: str) -> str:
    """string: `tat held`, in ms: when a destination with a rate of its own takes the next message. Seconds."""
    return f"{PREFIX}{{deliveries:{shard}}}:destination:{digest}"


# ---- the admins of the dashboard, in one slot

ADMINS = PREFIX + "{admins}"
"""hash: admin id -> JSON of an admin, with the hash of the password. Until removed."""

ADMIN_EMAILS = ADMINS + ":emails"
"""hash: email -> admin id, so that an email is one admin's. Until removed."""

ADMIN_LOCK = ADMINS + ":lock"
"""string: who is changing an admin, so that nobody else does. Seconds."""


def admin_session(session_id: str) -> str:
    """hash: admin_id, kind, created_at, seen_at, ends_at, confirmed_until (unix seconds), address and agent of a
    session. Until it ends, or was not used for some hours.
    """
    return f"{ADMINS}:session:{session_id}"


def admin_sessions(admin_id: str) -> str:
    """sorted set: the ids of an admin's sessions by the second at which they end. Until the last of them ends."""
    return f"{ADMINS}:sessions:{admin_id}"


def admin_link(digest: str) -> str:
    """string: the id of the admin whom a setup link is for and a digest of the password and roles at that time, "" for
    the first owner. Until used, at most 7 days.
    """
    return f"{ADMINS}:link:{digest}"


def audit() -> str:
    """stream: e: an entry of the audit log in JSON. Bounded by count and age."""
    return f"{ADMINS}:audit"


def project_audit(project_id: ProjectId) -> str:
    """stream: the entries of the audit log that are about a project, as in `audit`. Bounded by count and age."""
    return f"{ADMINS}:audit:{project_id}"


def admin_tries(subject: str) -> str:
    """string: how often someone has lately tried a password, from a network or for an account. An hour at most."""
    return f"{ADMINS}:tries:{subject}"


def admin_network(digest: str) -> str:
    """string: 1 if an admin has signed in from a network, both of which are in the digest. 90 days."""
    return f"{ADMINS}:network:{digest}"


# ---- a server, and all of them

GENERATION = PREFIX + "{life}"
"""string: the generation of the server's data. Replaced when the server may have lost acknowledged writes. For ever."""


def generation_beside(slot_tag: str) -> str:
    """string: the GENERATION of the data in the slot of a hash tag, for a server of a cluster. For ever."""
    return f"{PREFIX}{{{slot_tag}}}:life"


LIBRARIES = PREFIX + "{libraries}"
"""sorted set: name of a function library -> unix second at which a gateway last reported using it. For ever."""


def all_active_users(month: str) -> str:
    """HyperLogLog: the ids of users of all projects active in a calendar month. 25 months."""
    return f"{PREFIX}{{mau}}:{month}"


NODES = PREFIX + "{nodes}"
"""set: the ids of the processes that have reported. Until they end, or are found gone."""

WATCHED = NODES + ":watched"
"""sorted set: projects whose connections somebody watches, by the second until which. Bounded; seconds each."""


def node(node_id: str) -> str:
    """string: the last report of a process in JSON. Seconds."""
    return f"{NODES}:{node_id}"


# ---- pub/sub channels besides those of users

CONTROL = PREFIX + "{control}"
"""The pub/sub channel of control messages: changes of cached projects and users, and new jobs."""


def connection_events(project_id: ProjectId) -> str:
    """Return the (sharded) pub/sub channel of the events of a project's connections."""
    return f"{PREFIX}{{{project_id}}}:connections"


def answers(worker_id: str) -> str:
    """Return the (sharded) pub/sub channel of the answers to a worker's questions about connections."""
    return f"{PREFIX}{{answers:{worker_id}}}"


def probe(worker_id: str) -> str:
    """Return the pub/sub channel of a worker's probe."""
    return f"{PREFIX}{{probe:{worker_id}}}"


def project_of(key: str) -> ProjectId:
    """Return the project of a key in its own slot, or in that of one of its users."""
    return ProjectId(key.removeprefix(PREFIX)[1:].partition("}")[0].partition(":")[0])


# ---- patterns and beginnings of keys, to find those of a project


def all_of_project(project_id: ProjectId) -> str:
    """Return a pattern that all keys of a project and of its users match, and few others."""
    return f"{PREFIX}{{{project_id}[:}}]*"


def of_contents(project_id: ProjectId) -> str:
    """Return the beginning of the keys of a project's shared contents."""
    return f"{PREFIX}{{{project_id}:content:"


def of_webhook_endpoints(project_id: ProjectId) -> str:
    """Return the beginning of the keys of a project's endpoints of outgoing webhooks."""
    return f"{PREFIX}{{{project_id}:webhooks:"


def of_users(project_id: ProjectId) -> str:
    """Return the beginning of the keys of a project's users, shared contents and endpoints."""
    return f"{PREFIX}{{{project_id}:"


def of_all_users(suffix: str) -> str:
    """Return a pattern that the keys of all users match whose names go on with this suffix."""
    return f"{PREFIX}{{*:*}}{suffix}*"
