"""Every key name, with its type and lifetime. Nothing else in the gateway or in Lua names a key.

FORMAT is the version of all formats behind the keys: a change that an older gateway would misread raises it, and comes
with what reads the older one. It is written

    once for the store     STORE_FORMAT, beside the projects: for projects, workspaces, the queue of jobs, and whether
                           a node may work on this store at all
    in each user record    the field `format` of `user`: for everything in the slot of that user, such as items, states,
                           the log, preferences, subscriptions, devices and tokens
    in each project        the field `format` of its record: for everything in the project's own slot, such as tokens,
                           categories, who holds devices, sweeps
    in the directory       the field `format`: for users' records there, the user index and the subscribers
    in what lasts a while  the field `format` of each job and of each idempotency record, as nodes of two versions share
                           these during an upgrade; and a first byte of each content, which is read without its project

An entry of a small thing carries none of its own: it is read only after the record that says how. Whoever meets another
format than FORMAT, or none where data is, works on nothing of it (StoreFormatError). Builds before format 1 wrote none:
what they left is recognised by that. tests/golden has data of this format, which every later build must serve.

Keys of one user share the hash tag `{project:user}` and so one slot of a Redis Cluster; the directory of a project
shares `{project}`.
"""

from gateway.domain.principal import ProjectId, UserId

PREFIX = "inbox:1:"

FORMAT = "1"

PROJECTS = PREFIX + "{projects}"
"""hash api_key -> encoded project record. For ever.

Beside it, in the same slot, hangs what PROJECT_SUFFIXES names.
"""

SECRET_KEY_ID = PROJECTS + ":secret_key_id"
"""string: names the secret key that the projects' secrets are encrypted with. For ever."""


def directory(project_id: ProjectId) -> str:
    """hash `x:external_id` | `e:email` -> user id, `u:user_id` -> {"x","e", "n": place in the user index, and when
    deleted users had the names: "gone_x","gone_e"} as JSON, and `n` -> how many users ever were. For ever.
    """
    return f"{PREFIX}{{{project_id}}}:users"


# What hangs on a project's directory in the same slot. The Lua functions take these names from here.
DIRECTORY_SUFFIXES = {
    # string (its number follows): the ids of 65,536 users in the order of their index, 16 bytes each, zeros for a
    # deleted one. For ever.
    "USER_INDEX": ":roster:",
    # string: how fast users come on their own word, in all, and from an address (it follows). An hour at most.
    "NEW_USER_LIMITS": ":newcomers:",
    # sorted set (a topic follows): ids (16 bytes) of who may be subscribed, by index; and "" -> the latest claim,
    # below 0. While somebody is subscribed.
    "SUBSCRIBERS": ":subscribers:",
}


def idempotency(project_id: ProjectId, key: str) -> str:
    """hash: format, fingerprint and plan of the first request with this Idempotency-Key; lease_ms and holder of the try
    that does it; status and body once it is done. 24 h.
    """
    return f"{PREFIX}{{{project_id}}}:idempotency:{key}"


def categories(project_id: ProjectId) -> str:
    """set of the categories that the project has sent, up to a bound. For ever."""
    return f"{PREFIX}{{{project_id}}}:categories"


def content(project_id: ProjectId, content_id: str) -> str:
    """string: FORMAT, then what follows the id in a content that many items share. Until its project is deleted."""
    return f"{PREFIX}{{{project_id}:content:{content_id}}}"


def contents(project_id: ProjectId) -> str:
    """set of the ids (16 bytes) of a project's shared contents, for who deletes the project. For ever."""
    return f"{PREFIX}{{{project_id}}}:contents"


def device_holders(project_id: ProjectId) -> str:
    """hash device token -> JSON [[user id, claim], …]: who may hold it, the owner first; and "" -> the last claim.

    Until unregistered.
    """
    return f"{PREFIX}{{{project_id}}}:devices"


def user(project_id: ProjectId, user_id: UserId) -> str:
    """hash: format, epoch, offset, life of the server's data when the epoch began, counts as of the last event, sent_at
    of the newest item, oldest (no item was sent before; once a retention by age has looked), log_until (when the log
    expires), settled_until (until when there may be a SETTLED), revoked_before, subscription_bytes (how much
    SUBSCRIPTIONS holds), and the profile fields JSON-encoded. For ever; of a deleted user only the field `deleted`
    stays, for a day.

    The same string is the name of the user's (sharded) pub/sub channel.
    """
    return f"{PREFIX}{{{project_id}:{user_id}}}"


def project(project_id: ProjectId) -> str:
    """What the keys of a project's own tokens begin with. No key itself."""
    return f"{PREFIX}{{{project_id}}}"


def token_owner(project_id: ProjectId, token_id: str) -> str:
    """string: the id of the user whom this token was issued for. Until it expires."""
    return f"{PREFIX}{{{project_id}}}:token_owner:{token_id}"


GENERATION = PREFIX + "{life}"
"""string: names the generation of the server's data; set anew where it may lack what was acknowledged. For ever."""


def generation_beside(slot_tag: str) -> str:
    """string: the generation of the data in the slot of a hash tag, where the server is one of a cluster. For ever."""
    return f"{PREFIX}{{{slot_tag}}}:life"


CONTROL = PREFIX + "{control}"
"""The pub/sub channel on which nodes tell each other what to forget. No key."""


def admin_rate(project_id: ProjectId) -> str:
    """What `use` counts of a project's admin calls (the kind follows). 60 s."""
    return f"{PREFIX}{{{project_id}}}:admin"


JOB_QUEUE = PREFIX + "{jobs}"
"""sorted set `project_id job_id` by the unix ms from which a worker may claim it. Until the job is done."""


def job(project_id: ProjectId, job_id: str) -> str:
    """hash: format, kind, version of the plan, payload, status, created_ms, cursor, steps, claim, attempts, and counts
    by name. 30 days.
    """
    return f"{PREFIX}{{{project_id}}}:job:{job_id}"


def jobs(project_id: ProjectId, kind: str) -> str:
    """sorted set of the ids of a kind's jobs by creation ms, up to a bound. 30 days after the last."""
    return f"{PREFIX}{{{project_id}}}:jobs:{kind}"


SWEEP_LOOK = JOB_QUEUE + ":sweep_look"
"""string "1": a worker looks for projects whose inboxes are to be trimmed, others need not. Some seconds."""


def swept(project_id: ProjectId) -> str:
    """string `started_ms items seconds`: the last complete sweep of a project's inboxes. A day."""
    return f"{PREFIX}{{{project_id}}}:swept"


def all_of_project(project_id: ProjectId) -> str:
    """Give the pattern that a project's keys and its users' match, and few others."""
    return f"{PREFIX}{{{project_id}[:}}]*"


def of_contents(project_id: ProjectId) -> str:
    """Give what the keys of a project's shared contents begin with."""
    return f"{PREFIX}{{{project_id}:content:"


def of_users(project_id: ProjectId) -> str:
    """Give what the keys of a project's users begin with, and those of its contents."""
    return f"{PREFIX}{{{project_id}:"


def probe(worker_id: str) -> str:
    """The pub/sub channel on which a worker hears its own canary. No key."""
    return f"{PREFIX}{{probe:{worker_id}}}"


def active_users(project_id: ProjectId, month: str) -> str:
    """HyperLogLog of the ids of users who came in a calendar month (`YYYY-MM`, UTC). 25 months."""
    return f"{PREFIX}{{{project_id}}}:mau:{month}"


def all_active_users(month: str) -> str:
    """HyperLogLog of the ids of users of all projects who came in a calendar month. 25 months."""
    return f"{PREFIX}{{mau}}:{month}"


# What hangs on PROJECTS in the same slot. The Lua functions take these names from here.
PROJECT_SUFFIXES = {
    # string: the format of all that is stored. For ever.
    "STORE_FORMAT": ":format",
    # hash project id -> api_key. For ever.
    "PROJECT_IDS": ":ids",
    # sorted set project id by creation time in ms, one per workspace (its id follows). While it has projects.
    "WORKSPACE_PROJECTS": ":of:",
    # hash workspace id -> title. For ever.
    "WORKSPACES": ":workspaces",
    # hash id of a deleted project -> workspace id, until a job is to remove its data.
    "DELETED_PROJECTS": ":deleted",
    # string: the greatest project id, a number, that was ever given. For ever.
    "LAST_PROJECT": ":last_project",
    # string: a random name that the store gets when it is first prepared. For ever: another one is another store.
    "STORE_NAME": ":store_name",
    # string: how many workspaces were ever created besides the default one. For ever.
    "LAST_WORKSPACE": ":last_workspace",
    # string "1": this id of a workspace token (it follows) was revoked. Until the token would have expired.
    "REVOKED_WORKSPACE_TOKEN": ":revoked:",
}

# What hangs on a user's key in the same slot. The Lua functions take these names from here.
USER_SUFFIXES = {
    # string: calls of a kind (the kind follows) in the current minute. 60 s.
    "RATE": ":rate:",
    # sorted set of revoked token ids by the second, and some, at which they would have expired. Until the last has.
    "REVOKED": ":revoked",
    # sorted set of the ids of issued tokens by the second at which they expire. Until the last of them has. The same
    # of a project, without a user, in the project's own slot.
    "TOKENS": ":tokens",
    # hash token id -> `created expires discarded name`, unix seconds, 0 is not. As long as TOKENS.
    "TOKEN": ":token",
    # stream `offset-ms` -> m: the published message. Bounded by count and age; expires when idle that long.
    "LOG": ":log",
    # hash item id (16 bytes) -> immutable content, a JSON object without its closing brace, or up to its id and a
    # NUL if the content is shared. Until deleted.
    "ITEMS": ":items",
    # hash item id -> `sent seen read archived length(category) categorytopic`, unix seconds or 0; an `r` before the
    # length says that the request that brought it may come again. Until deleted.
    "STATES": ":states",
    # sorted sets item id by creation offset, one per bucket (a digit follows) of the whole inbox,
    "INBOX": ":i",
    # and one per bucket and category (its name follows the digit).
    "CATEGORY": ":c",
    # sorted set per bucket, all scores 0: of an item that has a topic a member for that, and one for that with its
    # category, each of them the list's name, the offset (6 bytes) and the item id. These three while they hold items.
    "TOPICS": ":t",
    # string: the outcome that creating this item id (it follows) has again though there is no item: it was deleted, or
    # muted when a request that may come again brought it. 24 h after the item; a minute if it may not come again.
    "SETTLED": ":settled:",
    # hash category -> channels in the order of domain/preferences.py, 1 on and 0 off. For ever.
    "PREFERENCES": ":preferences",
    # hash topic -> JSON {category: ["1" subscribed or "0" not, reason]}. Until deleted.
    "SUBSCRIPTIONS": ":subscriptions",
    # On the directory's key: sorted set of digests of names that deleted users had, by when they were deleted. A year.
    "GONE": ":gone",
    # hash device token -> `registered_ms claim json`. Until unregistered, or registered by somebody else.
    "DEVICES": ":devices",
}

USER_KEYS = ("REVOKED", "TOKENS", "TOKEN", "LOG", "ITEMS", "STATES", "PREFERENCES", "SUBSCRIPTIONS", "DEVICES")
"""Those of the suffixes that name one key each, to which nothing is added."""


# What hangs on the keys of jobs.
JOB_SUFFIXES = {
    # of the queue: hash job -> the number of the claim that holds it, and "" -> the last claim. While claimed.
    "CLAIMS": ":claims",
    # of a job: list of what is to be done, in portions that its kind knows. Until it is done.
    "PORTIONS": ":portions",
    # list of JSON, up to a bound. 30 days.
    "ERRORS": ":errors",
    # string: the ids (16 bytes each) of the users whom it reached. 30 days.
    "REACHED": ":reached",
}
