"""Everything that a verification asks, put together: one answer of each server, in one order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import psycopg

from runlease.access.rules import Acceptance
from runlease.config import Settings, to_acceptances
from runlease.evidence.verify.check import Answered, Found, NotTried, Told, Verified
from runlease.evidence.verify.drift import verify_drift
from runlease.evidence.verify.edge_kubernetes import verify_kubernetes
from runlease.evidence.verify.edge_postgresql import Session, live_logins, verify_server
from runlease.evidence.verify.edge_vault import not_read, verify_vault
from runlease.evidence.verify.site import Site
from runlease.evidence.verify.wiring import verify_wiring
from runlease.readers.api_server import Ask
from runlease.readers.error import ReadError
from runlease.readers.live import read_live
from runlease.readers.session import connect, in_plain_words, password_variable


@dataclass(frozen=True)
class Asking:
    """With what the servers are asked."""

    settings: Settings
    folder: Path
    """Where the settings' paths begin."""
    environment: Mapping[str, str] = field(repr=False)
    logins: Mapping[str, str] = field(default_factory=dict)
    """Logins in PostgreSQL by database; default each database's admin."""
    cluster: Ask | None = None
    """None: Kubernetes is not asked, and the answer is whole without it."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By database: why it has no login to ask with."""

    def open(self, key: str, dbname: str) -> Session:
        """A session that can change nothing. Raises psycopg.OperationalError."""
        password = self.environment.get(password_variable(key))
        return connect(self.settings.databases[key], dbname, self.folder, password, self.logins.get(key))


def verify(asking: Asking) -> Verified:
    """Ask all servers; one that does not answer is not tried, and keeps no other from being asked."""
    today = datetime.now(UTC).date()
    return together(asking.settings.installation, _answers(asking, today), to_acceptances(asking.settings), today)


def together(installation: str, answers: Iterable[Told], acceptances: Sequence[Acceptance], today: date) -> Verified:
    """The answers in their order, the worst first, then by id and place; what is accepted today is marked. Pure."""
    bearing = {(one.rule, one.where): one for one in acceptances if today <= one.until}
    found, not_tried, answered = set[Found](), set[NotTried](), set[Answered]()
    for one in answers:
        match one:
            case Found():
                found.add(replace(one, accepted=one.accepted or bearing.get((one.id, one.where))))
            case NotTried():
                not_tried.add(one)
            case Answered():
                answered.add(one)
    order = sorted(found, key=lambda one: (-one.severity.value, one.id, one.place, one.object, one.what, one.mend))
    return Verified(installation, tuple(order), tuple(sorted(not_tried)), tuple(sorted(answered)))


def _answers(asking: Asking, today: date) -> Iterator[Told]:
    settings, token = asking.settings, asking.environment.get("VAULT_TOKEN", "")
    sites = {key: Site.of(key, settings) for key in settings.databases}
    away = set(asking.missing)
    for key, site in sites.items():
        if key in asking.missing:
            yield NotTried(_place(site), "the database", asking.missing[key], "give it a lease: docs/verify.md")
            continue
        try:
            yield from verify_server(site, partial(asking.open, key))
        except psycopg.Error as failed:
            away.add(key)
            refused = in_plain_words(key, site.settings, str(failed))
            yield NotTried(_place(site), "the database", refused.problem, refused.fix)
    there = [site for key, site in sites.items() if key not in away]
    yield from verify_vault(settings, asking.folder, token, partial(_logins, asking, there))
    if not asking.missing:
        yield from _drift(asking, today)
    if asking.cluster is not None:
        yield from verify_kubernetes(settings, asking.cluster)


def _place(site: Site) -> str:
    return f"{site.key}: database {site.settings.dbname}"


def _logins(asking: Asking, sites: Iterable[Site]) -> tuple[str, ...]:
    found: list[str] = []
    for site in sites:
        with asking.open(site.key, site.settings.dbname) as session:
            found += live_logins(site, session)
    return tuple(found)


def _drift(asking: Asking, today: date) -> Iterator[Found | NotTried]:
    """Access as a whole: without one of the servers nothing can be compared."""
    try:
        live = read_live(asking.settings, asking.folder, asking.environment, asking.logins)
    except ReadError as failed:
        for line in str(failed).splitlines():
            why, _, fix = line.partition(". Fix: ")
            yield NotTried("access", "the comparison with what was declared", why, fix)
        return
    yield from verify_drift(asking.settings, live)
    yield from verify_wiring(asking.settings, live, today)
    yield from (not_read(unread) for unread in live.unread if not unread.where.startswith("database "))
