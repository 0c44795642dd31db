"""A question to logs, and its answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runlease.evidence.trace.clock import Clock
from runlease.evidence.trace.creations import CONTROLLER
from runlease.evidence.trace.files import Advanced
from runlease.evidence.trace.model import Event, Finding, Lease, Life, Owner, Read
from runlease.evidence.trace.owners import Owners
from runlease.evidence.trace.postgres_prefix import DEFAULT_PREFIX
from runlease.evidence.trace.spool import Spool

Resolve = Callable[[Sequence[str]], Mapping[str, str]]
"""Logins → their hashes in Vault's audit log, by hash."""


@dataclass(frozen=True)
class Sources:
    """Where the answer comes from."""

    postgres: Sequence[Path]
    audit: Sequence[Path]
    owners: Owners = field(default_factory=Owners)
    api_audit: Sequence[Path] = ()
    """Of Kubernetes' API server."""
    controller: str = CONTROLLER
    """Tekton's, as the API server knows it."""
    prefix: str = DEFAULT_PREFIX
    clock: Clock = field(default_factory=Clock)
    resolve: Resolve | None = None
    advanced: Advanced = lambda _: None


@dataclass(frozen=True)
class Question:
    """What is asked; several conditions are all to hold."""

    run: str = ""
    """A PipelineRun, a TaskRun, or a pod by name or uid."""
    statement: str = ""
    table: str = ""
    since: datetime | None = None
    until: datetime | None = None
    unattributed: bool = False
    """Only what no lease explains, and what contradicts the audit log."""
    values: bool = False
    """Show literals."""


@dataclass
class Answer:
    """Close it: it holds a file."""

    question: Question
    leases: dict[str, Lease]
    """By login: those that are asked for, and those of the statements that were found."""
    lives: dict[str, Life]
    asked: dict[str, datetime]
    """First request for a revocation, by the accessor of the token."""
    owner_of: Callable[[Lease], Owner]
    spool: Spool
    found: dict[str, int]
    """How many events of each kind."""
    findings: list[Finding]
    reads: list[Read]
    span: tuple[datetime, datetime] | None
    """First and last entry of a leased login in these logs, in or out of the period; for a run of its own alone."""
    partial: list[str]
    """Why this is not the whole answer."""
    notes: list[str]

    @property
    def events(self) -> Iterator[Event]:
        """What was found, by time."""
        return iter(self.spool)

    def owner(self, login: str) -> Owner:
        """Whose it was."""
        lease = self.leases.get(login)
        return self.owner_of(lease) if lease else Owner(doubt="no lease")

    def asked_by(self, lease: Lease) -> datetime | None:
        """When the token of a lease asked Vault for a revocation first."""
        return self.asked.get(lease.accessor)

    def close(self) -> None:
        """Forget what was found."""
        self.spool.close()
