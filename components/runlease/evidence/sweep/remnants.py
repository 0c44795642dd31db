"""Facts → what dead runs left behind. Pure; nothing is called gone that was not looked for and missed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from runlease.evidence.sweep.facts import DatabaseFacts, Declared, EngineFacts, HeldLease, LeasedLogin

BEFORE, AFTER = timedelta(seconds=10), timedelta(seconds=100)
"""When a lease is issued, seen from the second that made its login: Vault stores it once the login is there, and
gives up after 90 s by default; the rest is for clocks that are compared to the second."""


class Kind(StrEnum):
    """What is left, in the order in which it is ended: who holds a lease first, then what a login left."""

    LEASE_WITHOUT_POD = "lease without a pod"
    LEASE_WITHOUT_TOKEN = "lease without a token"  # noqa: S105 - no token
    IRREVOCABLE_LEASE = "irrevocable lease"
    OVERDUE_LEASE = "overdue lease"
    LOGIN_WITHOUT_LEASE = "login without a lease"
    EXPIRED_LOGIN = "expired login"
    QUARANTINED_LOGIN = "quarantined login"
    SCHEMA_WITHOUT_LOGIN = "schema without a login"
    SESSION_WITHOUT_ROLE = "session without a role"
    LOGINS_OVER_LEASES = "more logins than leases"
    ENTITY_WITHOUT_ACCOUNT = "entity without an account"

    @property
    def is_ended(self) -> bool:
        """Whether `--apply` ends it; the other kinds it only says."""
        return self not in (Kind.LOGINS_OVER_LEASES, Kind.ENTITY_WITHOUT_ACCOUNT)

    @property
    def counts(self) -> bool:
        """Whether something is to be done about it. An entity opens nothing."""
        return self is not Kind.ENTITY_WITHOUT_ACCOUNT


@dataclass(frozen=True)
class Remnant:
    """One thing that is left."""

    kind: Kind
    where: str
    """`database shop`, or `Vault`."""
    subject: str
    """Its name where it is: a login, a schema, a lease id, a pid."""
    why: str
    """How it is known."""
    fix: str = ""
    """What a person can do; empty where `--apply` does it."""

    def __str__(self) -> str:
        fix = f". Fix: {self.fix}" if self.fix else ""
        return f"{self.kind}: {self.where}: {self.subject}: {self.why}{fix}"


def remnants(
    databases: Sequence[DatabaseFacts],
    engine: EngineFacts,
    declared: Declared,
    old: datetime,
) -> tuple[Remnant, ...]:
    """Everything that is left since `old` or longer, in the order in which it is ended."""
    found = [
        *_tokens(engine, old),
        *_irrevocable(engine),
        *_leases(engine, declared, old),
        *_entities(engine, declared),
    ]
    for database in databases:
        found += _spent(database, old)
        found += _unleased(database, engine, declared, old)
        found += _others(database)
    order = list(Kind)
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), one.where, one.subject)))


def _tokens(engine: EngineFacts, old: datetime) -> Iterator[Remnant]:
    for token in engine.tokens or ():
        if token.pod_lives is False and token.issued <= old:
            pod = f"{token.namespace}/{token.pod} (uid {token.pod_uid})"
            why = f"pod {pod} is gone or has finished, and its token still holds {' and '.join(token.leases)}"
            yield Remnant(Kind.LEASE_WITHOUT_POD, "Vault", token.lease_id, why)


def _irrevocable(engine: EngineFacts) -> Iterator[Remnant]:
    for lease in engine.irrevocable or ():
        why = f"Vault has given up on it (got {lease.error or 'no reason'})"
        yield Remnant(Kind.IRREVOCABLE_LEASE, "Vault", lease.id, why)


def _leases(engine: EngineFacts, declared: Declared, old: datetime) -> Iterator[Remnant]:
    """Leases that are late, and those that no token there is can have taken: they would live to their TTL.

    Late, because Vault tries again at growing intervals. Without a token, because Vault was killed after it had kept
    the lease and before it had noted whose it is: to revoke the token does not end it then.
    """
    given_up = {lease.id for lease in engine.irrevocable or ()}
    for lease in engine.leases or ():
        if lease.id in given_up:
            continue
        if lease.expires is not None and lease.expires <= old:
            why = f"it ended at {_utc(lease.expires)}, and Vault has not revoked it yet"
            yield Remnant(Kind.OVERDUE_LEASE, "Vault", lease.id, why)
        elif engine.holders is not None and lease.name in declared.leases and lease.name not in declared.sweeping:
            taken = any(one.lease == lease.name and one.issued <= lease.issued for one in engine.holders)
            if lease.issued <= old and not taken:
                why = f"issued at {_utc(lease.issued)}, and no token there is can have taken it"
                yield Remnant(Kind.LEASE_WITHOUT_TOKEN, "Vault", lease.id, why)


def _entities(engine: EngineFacts, declared: Declared) -> Iterator[Remnant]:
    for subject in engine.entities or ():
        if subject not in declared.subjects and subject.split(":")[2:3] in [[one] for one in declared.namespaces]:
            fix = "delete the entity, as Vault's operator: no policy can name ours alone, so the sweep does not"
            yield Remnant(Kind.ENTITY_WITHOUT_ACCOUNT, "Vault", subject, "no binding names this account any more", fix)


def _spent(database: DatabaseFacts, old: datetime) -> Iterator[Remnant]:
    """Logins that open no session any more, whatever Vault knows of them."""
    for login in database.logins:
        if login.quarantined and login.created <= old:
            why = f"{_made(login)}; something keeps it from being dropped"
            yield Remnant(Kind.QUARANTINED_LOGIN, _at(database), login.name, why)
        elif not login.quarantined and login.until <= old:
            why = f"{_made(login)}, until {_utc(login.until)}"
            yield Remnant(Kind.EXPIRED_LOGIN, _at(database), login.name, why)


def _unleased(database: DatabaseFacts, engine: EngineFacts, declared: Declared, old: datetime) -> Iterator[Remnant]:
    """Logins that have not expired, against the leases that could be theirs."""
    if engine.leases is None:
        return
    due = to_compare(database, old)
    for profile in sorted({login.profile for login in due}):
        leases = _of_profile(engine.leases, database.key, profile, declared)
        yield from _unmatched(database, [one for one in due if one.profile == profile], leases)


def to_compare(database: DatabaseFacts, old: datetime) -> list[LeasedLogin]:
    """Logins that leases decide on: old enough, not expired, and not the sweep's own."""
    return [
        one
        for one in database.logins
        if not one.quarantined and one.created <= old < one.until and one.name != database.own_login
    ]


def _of_profile(leases: Sequence[HeldLease], database: str, profile: str, declared: Declared) -> list[HeldLease]:
    """Leases that a login of this profile could be of; one that nobody declares any more could be of any."""
    return [one for one in leases if declared.leases.get(one.name, (database, profile)) == (database, profile)]


def _unmatched(database: DatabaseFacts, due: Sequence[LeasedLogin], leases: Sequence[HeldLease]) -> Iterator[Remnant]:
    """Logins that no lease can be of; and where several logins share the candidates, how many are too many."""
    orphans = [one for one in due if not any(_fits(one, lease) for lease in leases)]
    for login in orphans:
        why = f"{_made(login)}, and Vault has no lease of that time"
        yield Remnant(Kind.LOGIN_WITHOUT_LEASE, _at(database), login.name, why)
    shared = [one for one in due if one not in orphans]
    if over := len(shared) - _most_pairs(shared, leases):
        names = ", ".join(login.name for login in shared[:20]) + (" and more" if len(shared) > 20 else "")
        why = f"{over} or more of {len(shared)} logins has no lease, and Vault does not say which ({names})"
        fix = "wait until they expire, then a sweep names them; or look for their leases in Vault's audit log"
        yield Remnant(Kind.LOGINS_OVER_LEASES, _at(database), shared[0].profile, why, fix)


def _fits(login: LeasedLogin, lease: HeldLease) -> bool:
    return -BEFORE <= lease.issued - login.created <= AFTER


def _most_pairs(logins: Sequence[LeasedLogin], leases: Sequence[HeldLease]) -> int:
    """How many logins can have a lease of their own. Windows of one length in order of time: greedy is right."""
    left, pairs = sorted(one.issued for one in leases), 0
    for created in sorted(one.created for one in logins):
        while left and left[0] < created - BEFORE:
            left.pop(0)
        if left and left[0] <= created + AFTER:
            left.pop(0)
            pairs += 1
    return pairs


def _at(database: DatabaseFacts) -> str:
    return f"database {database.key}"


def _made(login: LeasedLogin) -> str:
    sessions = f"{login.sessions or 'no'} session{'' if login.sessions == 1 else 's'}"
    return f"{sessions}, made by {login.maker} at {_utc(login.created)}"


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _others(database: DatabaseFacts) -> Iterator[Remnant]:
    where = _at(database)
    for schema in database.schemas:
        yield Remnant(Kind.SCHEMA_WITHOUT_LOGIN, where, schema, "the broker owns it, and no role has its name")
    for session in database.roleless:
        why = f"role {session.oid} no longer exists, and its session keeps what it had become"
        yield Remnant(Kind.SESSION_WITHOUT_ROLE, where, f"pid {session.pid}", why)
