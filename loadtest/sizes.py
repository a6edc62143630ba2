"""The sizes of a run: how many connections, users and events each scenario has, and for how long it runs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class IdleSizes:
    """Idle connections."""

    steps: tuple[int, ...]
    """Numbers of connections at which memory is read. 0 is the limit of open files, for the gateway alone."""
    seconds: float
    heartbeat_seconds: float


@dataclass(frozen=True)
class ConnectSizes:
    """Authenticated connects."""

    connections: int
    missed_events: int
    """Events of each user that a connection replays when it resumes."""


@dataclass(frozen=True)
class FanoutSizes:
    """One event to many connections."""

    crowds: tuple[int, ...]
    """Connections to which an event is sent."""
    peers_crowd: int
    """The largest crowd for peers, whose connections are all open at once."""
    rounds: int
    events: int
    """Events in each round."""
    round_seconds: float
    """The approximate time limit of a round."""
    users: int
    """Users to whom an event is sent, with a connection each."""


@dataclass(frozen=True)
class BroadcastSizes:
    """A broadcast to all users of the project."""

    users: int


@dataclass(frozen=True)
class UnicastSizes:
    """Events for random users."""

    users: int
    seconds: float


@dataclass(frozen=True)
class SyncSizes:
    """Changes on one device, observed on another."""

    users: int
    rate: float
    """Changes a second."""
    seconds: float


@dataclass(frozen=True)
class ListSizes:
    """Pages of inboxes."""

    inboxes: tuple[int, ...]
    """Items of each inbox."""
    requests: int
    """Requests with each filter for each inbox, in all rounds."""


@dataclass(frozen=True)
class CatalogSizes:
    """Pages of the lists of projects."""

    projects: tuple[int, ...]
    """Users and events of each project."""
    token_users: int
    """Users with 100 channel tokens of each kind."""
    requests: int
    """Requests for each page of each project, in all rounds."""


@dataclass(frozen=True)
class AdminSizes:
    """Lists and figures of the dashboard."""

    projects: tuple[tuple[int, int], ...]
    """Users and events of each project. A tenth as many entries are in the audit log."""
    requests: int
    """Requests for each page of each project, in all rounds."""


@dataclass(frozen=True)
class RequestSizes:
    """REST requests over connections that stay open."""

    connections: int
    rounds: int
    seconds: float
    """The time of each kind of request in each round, of the gateway and of the bare path."""


@dataclass(frozen=True)
class DeliverySizes:
    """Deliveries by providers."""

    users: int
    """Users with an email address, each of whom gets a mail."""
    devices: int
    """How many of them have a device, and get a push."""
    small: int
    """Deliveries of a small project, behind those of a large one."""
    behind: int
    """Mails of each user, in front of the small project, and beside live events."""
    live_users: int
    live_rate: float
    """Live events a second."""
    live_seconds: float
    live_rounds: int
    """Rounds without and with deliveries."""
    hang_seconds: float
    queued: int
    """Deliveries that wait."""


@dataclass(frozen=True)
class StormSizes:
    """Connections that are all cut, and all resume at once."""

    connections: int
    """Connections of a user each."""
    connections_of_one: int
    """Connections of a single user."""


@dataclass(frozen=True)
class RecoverySizes:
    """Redis is unavailable for a while."""

    users: int
    outages: tuple[tuple[str, float], ...]
    """The outages of Redis, one after the other: `kill`, `restart` or `pause`, and the seconds."""


@dataclass(frozen=True)
class HostileSizes:
    """Hostile clients beside ordinary users."""

    users: int
    """Ordinary users."""
    peers: int
    """Hostile clients of each kind of attack."""
    rate: float
    """Events a second to ordinary users."""
    seconds: float


@dataclass(frozen=True)
class DurabilitySizes:
    """Writes with each value of INBOX_DURABILITY."""

    seconds: float


@dataclass(frozen=True)
class BurstSizes:
    """Several events for one connection at once."""

    events: int
    repeats: int


@dataclass(frozen=True)
class SoakSizes:
    """A long run at a constant rate."""

    users: int
    rate: float
    """Notifications a second."""
    seconds: float = 0.0
    """If it is 0, the scenario does not run."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of all scenarios. `name` is the value of `--plan`."""

    name: str
    warm_up: int
    """Connections before the measurement: enough to use up the memory that is free after a start."""
    idle: IdleSizes
    connect: ConnectSizes
    fanout: FanoutSizes
    broadcast: BroadcastSizes
    unicast: UnicastSizes
    sync: SyncSizes
    list: ListSizes
    catalog: CatalogSizes
    admin: AdminSizes
    request: RequestSizes
    delivery: DeliverySizes
    storm: StormSizes
    recovery: RecoverySizes
    hostile: HostileSizes
    durability: DurabilitySizes
    burst: BurstSizes
    soak: SoakSizes


FULL = Sizes(
    name="full",
    warm_up=1000,
    idle=IdleSizes(steps=(500, 1000, 2000, 0), seconds=25, heartbeat_seconds=25),
    connect=ConnectSizes(connections=2000, missed_events=10),
    fanout=FanoutSizes(crowds=(250, 1000, 4000), peers_crowd=1000, rounds=5, events=20, round_seconds=0.8, users=4000),
    broadcast=BroadcastSizes(users=100_000),
    unicast=UnicastSizes(users=1000, seconds=3),
    sync=SyncSizes(users=100, rate=200, seconds=4),
    list=ListSizes(inboxes=(100, 10_000, 100_000), requests=100),
    catalog=CatalogSizes(projects=(1000, 100_000), token_users=10, requests=100),
    admin=AdminSizes(projects=((1000, 10_000), (100_000, 1_000_000)), requests=100),
    request=RequestSizes(connections=64, rounds=7, seconds=1),
    delivery=DeliverySizes(
        users=20_000,
        devices=5000,
        small=50,
        behind=5,
        live_users=200,
        live_rate=100,
        live_seconds=5,
        live_rounds=3,
        hang_seconds=20,
        queued=1_000_000,
    ),
    storm=StormSizes(connections=10_000, connections_of_one=1000),
    recovery=RecoverySizes(users=10_000, outages=(("kill", 1), ("pause", 10))),
    hostile=HostileSizes(users=500, peers=10, rate=200, seconds=4),
    durability=DurabilitySizes(seconds=2),
    burst=BurstSizes(events=20, repeats=20),
    soak=SoakSizes(users=1000, rate=100),
)

LONG = replace(
    FULL,
    name="long",
    recovery=replace(
        FULL.recovery,
        outages=tuple((how, seconds) for seconds in (1, 10, 60) for how in ("kill", "restart", "pause")),
    ),
)

QUICK = Sizes(
    name="quick",
    warm_up=500,
    idle=IdleSizes(steps=(500, 1000), seconds=4, heartbeat_seconds=2),
    connect=ConnectSizes(connections=500, missed_events=10),
    fanout=FanoutSizes(crowds=(500,), peers_crowd=500, rounds=5, events=20, round_seconds=1.0, users=500),
    broadcast=BroadcastSizes(users=2000),
    unicast=UnicastSizes(users=200, seconds=1.5),
    sync=SyncSizes(users=50, rate=100, seconds=2),
    list=ListSizes(inboxes=(100, 2000), requests=40),
    catalog=CatalogSizes(projects=(1000, 10_000), token_users=3, requests=40),
    admin=AdminSizes(projects=((500, 1000), (2000, 10_000)), requests=15),
    request=RequestSizes(connections=64, rounds=5, seconds=0.3),
    delivery=DeliverySizes(
        users=2000,
        devices=1000,
        small=50,
        behind=2,
        live_users=100,
        live_rate=100,
        live_seconds=2,
        live_rounds=1,
        hang_seconds=3,
        queued=100_000,
    ),
    storm=StormSizes(connections=500, connections_of_one=200),
    recovery=RecoverySizes(users=500, outages=(("kill", 1),)),
    hostile=HostileSizes(users=100, peers=5, rate=100, seconds=2),
    durability=DurabilitySizes(seconds=0.7),
    burst=BurstSizes(events=20, repeats=5),
    soak=SoakSizes(users=100, rate=50),
)

TINY = Sizes(
    name="tiny",
    warm_up=2,
    idle=IdleSizes(steps=(5, 10), seconds=1.5, heartbeat_seconds=0.5),
    connect=ConnectSizes(connections=10, missed_events=3),
    fanout=FanoutSizes(crowds=(10,), peers_crowd=10, rounds=2, events=5, round_seconds=0.5, users=10),
    broadcast=BroadcastSizes(users=30),
    unicast=UnicastSizes(users=10, seconds=0.5),
    sync=SyncSizes(users=5, rate=40, seconds=0.5),
    list=ListSizes(inboxes=(20, 40), requests=15),
    catalog=CatalogSizes(projects=(60, 120), token_users=1, requests=15),
    admin=AdminSizes(projects=((60, 100), (120, 300)), requests=15),
    request=RequestSizes(connections=4, rounds=2, seconds=0.1),
    delivery=DeliverySizes(
        users=500,
        devices=100,
        small=10,
        behind=1,
        live_users=5,
        live_rate=40,
        live_seconds=0.5,
        live_rounds=1,
        hang_seconds=0.5,
        queued=1000,
    ),
    storm=StormSizes(connections=10, connections_of_one=5),
    recovery=RecoverySizes(users=10, outages=(("restart", 0.2), ("pause", 0.2))),
    hostile=HostileSizes(users=5, peers=1, rate=20, seconds=1),
    durability=DurabilitySizes(seconds=0.2),
    burst=BurstSizes(events=5, repeats=2),
    soak=SoakSizes(users=10, rate=40),
)

PLANS = {sizes.name: sizes for sizes in (FULL, LONG, QUICK, TINY)}
