"""What the three systems know of runs, as values. None in the place of a tuple: it could not be read.

Every time is on the sweep's own clock: whoever reads a server takes off what its clock is ahead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LeasedLogin:
    """A login that the broker made: it says so in the comment, and is a member of the marker unless quarantined."""

    name: str
    profile: str
    maker: str
    """Which of Vault's logins made it."""
    created: datetime
    """To the second."""
    until: datetime
    """VALID UNTIL: from then on it opens no session, whatever Vault knows."""
    quarantined: bool = False
    sessions: int = 0


@dataclass(frozen=True)
class Roleless:
    """A session of this database whose role no longer exists."""

    pid: int
    oid: int


@dataclass(frozen=True)
class DatabaseFacts:
    """One database, as any login that may connect sees it."""

    key: str
    own_login: str
    """The sweep's own login in it."""
    logins: tuple[LeasedLogin, ...]
    schemas: tuple[str, ...]
    """Sandboxes without a login: the broker owns them, and no role has their name."""
    roleless: tuple[Roleless, ...]


@dataclass(frozen=True)
class HeldLease:
    """A lease that Vault knows. It names neither its login nor its token."""

    id: str
    name: str
    """Of the lease: `shop-migrator`."""
    issued: datetime
    expires: datetime | None


@dataclass(frozen=True)
class RunToken:
    """A token of Vault's that a pod logged in for; what it took ends with it."""

    lease_id: str
    """Its own: Vault keeps a login as a lease, too."""
    leases: tuple[str, ...]
    """Names of the leases that it may take."""
    namespace: str
    account: str
    pod: str
    pod_uid: str
    """Of the pod whose token was shown; signed by the API server."""
    issued: datetime
    pod_lives: bool | None = None
    """Whether a pod of this uid exists and has not finished; None where nobody could say."""


@dataclass(frozen=True)
class Holder:
    """A token, whosever, that carries the policy of a lease: it may have taken one."""

    lease: str
    """Name of the lease."""
    issued: datetime


@dataclass(frozen=True)
class Irrevocable:
    """A lease that Vault has given up on."""

    id: str
    error: str


@dataclass(frozen=True)
class EngineFacts:
    """Vault."""

    leases: tuple[HeldLease, ...] | None = None
    tokens: tuple[RunToken, ...] | None = None
    holders: tuple[Holder, ...] | None = None
    irrevocable: tuple[Irrevocable, ...] | None = None
    entities: tuple[str, ...] | None = None
    """Subjects that have an entity by the installation's JWT mount: `system:serviceaccount:ci:shop-release-migrate`."""


@dataclass(frozen=True)
class Declared:
    """What the settings say that the comparison needs."""

    leases: Mapping[str, tuple[str, str]]
    """Lease → its database's key and its profile."""
    sweeping: frozenset[str]
    """Leases of sweeps: whoever sweeps by hand may take them with any token."""
    subjects: frozenset[str]
    """Identities that may log in."""
    namespaces: frozenset[str]
    """Where they are: an entity of another namespace is not ours to speak of."""
