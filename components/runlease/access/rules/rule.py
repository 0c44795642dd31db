"""What a rule is, what it finds, and what a stack says about both."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import total_ordering

from runlease.access.lifetimes import Duration
from runlease.access.model import Access


@total_ordering
class Severity(Enum):
    """How bad a broken rule is. The value is the exit code of a command whose worst finding it is."""

    LOW = 10
    """Should be tidied; gives nobody more than they have."""
    MEDIUM = 11
    """One more mistake, somewhere else, and somebody has what they should not."""
    HIGH = 12
    """Somebody can have what nobody declared, or keep what has ended."""
    CRITICAL = 13
    """Somebody can have everything, or anybody can have something."""

    def __str__(self) -> str:
        return self.name.lower()

    def __lt__(self, other: object) -> bool:
        return self.value < other.value if isinstance(other, Severity) else NotImplemented


_HOUR = Duration(3600)


@dataclass(frozen=True)
class Bounds:
    """What differs between environments, from `access.rules` of a stack file."""

    longest_lease: Duration = _HOUR
    """Default 1h: a migration that takes longer is better done in parts, and a stolen login lives as long."""
    controllers: tuple[str, ...] = ("system:serviceaccount:tekton-pipelines:tekton-pipelines-controller",)
    """Subjects that make the pods of runs, and so may. Default: Tekton's controller, where Tekton puts it."""
    api_audiences: tuple[str, ...] = ()
    """Audiences of the cluster's API server, beside its issuer and the names that everybody uses."""


@dataclass(frozen=True)
class Acceptance:
    """Somebody knows of a finding and bears it, for a reason and until a day."""

    rule: str
    where: str
    """`where` of the finding, exactly: no pattern, so it can never accept what comes later."""
    reason: str
    until: date
    """Last day on which it holds."""

    def __str__(self) -> str:
        return f"{self.rule} for {self.where} until {self.until}: {self.reason}"


@dataclass(frozen=True)
class Breach:
    """One place where a rule is broken, as the rule's check says it."""

    where: str
    """The noun in the domain's own spelling; all that an acceptance names."""
    what: str
    """What is wrong there, with what was got and what is expected."""
    source: str = ""


@dataclass(frozen=True)
class Finding:
    """A broken rule. `RL012 high: lease shop-migrator: may live for 8h, longer than …`."""

    rule: str
    """Id of the rule."""
    severity: Severity
    where: str
    what: str
    source: str = ""
    """What makes it: a path of the settings, a URN, a catalog; empty where that is not known."""
    accepted: Acceptance | None = None
    """The acceptance that holds today; None means that it counts."""

    def __str__(self) -> str:
        accepted = f" (accepted until {self.accepted.until}: {self.accepted.reason})" if self.accepted else ""
        return f"{self.rule} {self.severity}: {self.where}: {self.what}{accepted}"


@dataclass(frozen=True)
class Rule:
    """One thing that must not be, with everything a reader needs to judge and mend it."""

    id: str
    """`RL` and three digits. It never changes and is never given to another rule."""
    severity: Severity
    sentence: str
    """What holds where the rule is kept."""
    why: str
    """What somebody can do where it is broken."""
    fix: str
    language: str
    """What `before` and `after` are written in, as Markdown's code blocks name it."""
    before: str
    after: str
    check: Callable[[Access, Bounds], Iterable[Breach]]
    """Pure: every place where the rule is broken, in the order of the Access."""

    def findings(self, access: Access, bounds: Bounds) -> Iterator[Finding]:
        """What breaks the rule; no acceptance is considered."""
        for breach in self.check(access, bounds):
            yield Finding(self.id, self.severity, breach.where, breach.what, breach.source)

    @property
    def anchor(self) -> str:
        """Its section in docs/rules.md."""
        return self.id.lower()
