"""What a live check is, what it finds, and what it may not look at. Pure values."""

from dataclasses import dataclass
from enum import Enum

from runlease.access.rules import Acceptance, Severity


class Scope(Enum):
    """Where a check is asked."""

    SERVER = "server"
    """Once, in the declared database: the catalogs that it reads are the whole server's."""
    DATABASE = "database"
    """In the declared database."""
    EVERY = "every"
    """In every database of the server."""


@dataclass(frozen=True)
class Check:
    """One thing that must not be on a server. Its SQL returns a row for each place where it is.

    The rows have three columns: what is wrong (`object`), how (`detail`), and the statement that mends it (`mend`;
    empty where no single one does). PostgreSQL itself writes the statement, with format('%I'): it quotes as it
    reads.
    """

    id: str
    """`LV` and three digits. It never changes and is never given to another check."""
    name: str
    """In a word, for whoever filters: `expired-login`."""
    severity: Severity
    sentence: str
    """What holds where the check finds nothing."""
    sql: str
    """Follows `site.PRELUDE`, with the parameters of a Site."""
    otherwise: str = ""
    """What to do where a row has no statement."""
    scope: Scope = Scope.DATABASE
    since: int = 0
    """`server_version_num` from which it can be asked."""
    needs: str = ""
    """Statement that lets a login without rights ask; `{login}` stands for its quoted name."""


@dataclass(frozen=True)
class Found:
    """One thing to mend. `LV101 high expired-login: database shop: run_x: … Mend: …`."""

    id: str
    name: str
    severity: Severity
    place: str
    """`shop: database shop`, `shop: server`, `Vault`."""
    object: str
    what: str
    mend: str
    accepted: Acceptance | None = None
    """The acceptance that holds today; None means that it counts."""

    @property
    def where(self) -> str:
        """Place and object."""
        return f"{self.place}: {self.object}"

    def __str__(self) -> str:
        return f"{self.id} {self.severity} {self.name}: {self.where}: {self.what}. Mend: {self.mend}"


@dataclass(frozen=True, order=True)
class NotTried:
    """What was not looked at, why, and what would let it. Never silence."""

    place: str
    what: str
    """Id and name of a check, or in a word what was to be read."""
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what} not tried: {self.why}. Fix: {self.fix}"


@dataclass(frozen=True, order=True)
class Answered:
    """A server that answered, and its version as it says it: `Answered("shop: server", "PostgreSQL 18.4")`."""

    place: str
    version: str

    def __str__(self) -> str:
        return f"{self.place}: {self.version}"


Told = Found | NotTried | Answered
"""What a look at a server yields."""


@dataclass(frozen=True)
class Verified:
    """All that was found, accepted or not, what was not tried, and who answered."""

    installation: str
    found: tuple[Found, ...]
    not_tried: tuple[NotTried, ...]
    answered: tuple[Answered, ...] = ()

    def at_least(self, severity: Severity) -> bool:
        """Whether anything of that severity or worse was found that nobody accepted."""
        return any(one.severity >= severity for one in self.counting)

    @property
    def counting(self) -> tuple[Found, ...]:
        """What was found and nobody accepted."""
        return tuple(one for one in self.found if one.accepted is None)
