"""Effects as sentences, before any format: what one line of a report says. Pure, and nothing is escaped here."""

from dataclasses import dataclass
from typing import NamedTuple

from runlease.access import Duration, OnAll, OnColumns, OnDatabase, OnFuture, OnNamed, OnSchema, Privilege, Target
from runlease.access.effects import Affected, Effect, Kind, Way
from runlease.access.rights import OnOwned

GAINS, HAS = "gains", "has"
_VERBS = {Kind.LOSS: "loses", Kind.LONGER: "keeps for longer", Kind.SHORTER: "keeps for a shorter time"}
_ORDER = tuple(Privilege)
_LABELS = {
    Kind.TO_PUBLIC: "to PUBLIC",
    Kind.OWNER: "new owner access",
    Kind.WRITER: "new writer",
    Kind.NEW_HOLDER: "new identity or member",
    Kind.LONGER: "longer life",
    Kind.GAIN: "gain",
    Kind.SHORTER: "shorter life",
    Kind.LOSS: "loss",
}


class _Alike(NamedTuple):
    """What effects share that are told in one sentence: all but the privilege."""

    kind: Kind
    way: Way
    was: Way | None
    target: Target | OnOwned
    grantable: bool
    apart_from: tuple[str, ...]

    @classmethod
    def of(cls, effect: Effect) -> "_Alike":
        right = effect.right
        return cls(effect.kind, effect.way, effect.was, right.target, right.grantable, effect.apart_from)


@dataclass(frozen=True)
class Sentence:
    """`gains UPDATE on table app.product of shop through shop_seeder, for 10m a run`; who does stands before it."""

    kind: Kind
    verb: str
    privileges: str
    target: str
    """In words: `table app.product`, `all tables in schema app, present and future`."""
    database: str
    role: str
    lifetime: str
    """`for 10m a run, at most 30m`; empty for what lasts."""
    lease: str
    apart_from: tuple[str, ...]

    @property
    def names_database(self) -> bool:
        """Whether the target does not say it already."""
        return bool(self.database) and not self.target.startswith("database ")

    def __str__(self) -> str:
        where = f" in {self.database}" if self.names_database else ""
        apart = f" (apart from {', '.join(self.apart_from)})" if self.apart_from else ""
        through = f" through {self.role}" + (f", {self.lifetime}" if self.lifetime else "")
        return f"{self.verb} {self.privileges} on {self.target}{where}{apart}{through}"


def label(kind: Kind, gains: str = GAINS) -> str:
    """What an effect is called in a heading or a badge."""
    return _LABELS[kind] if gains == GAINS else _LABELS[kind].removeprefix("new ")


def sentences(affected: Affected, gains: str = GAINS) -> tuple[Sentence, ...]:
    """What the effects of one group of holders say, one sentence for all privileges on one target; the worst first.

    gains: the verb for what a holder has after the change; HAS where there was none.
    """
    together: dict[_Alike, list[Privilege]] = {}
    for effect in affected.effects:
        privileges = together.setdefault(_Alike.of(effect), [])
        privileges += [effect.right.privilege] if effect.right.privilege else []
    # What holds for the objects that are there and for those that the owner will make is one sentence.
    future = {
        (one._replace(target=OnAll(one.target.kind, one.target.schema)), frozenset(privileges)): one
        for one, privileges in together.items()
        if isinstance(one.target, OnFuture)
    }
    pairs = {one: future[one, frozenset(p)] for one, p in together.items() if (one, frozenset(p)) in future}
    return tuple(
        _sentence(one, privileges, pairs.get(one), gains)
        for one, privileges in together.items()
        if one not in set(pairs.values())
    )


def lifetime(way: Way, was: Way | None = None) -> str:
    """For how long, in words."""
    if was is not None:
        return f"{_most(was.max_ttl)} → {_most(way.max_ttl)}"
    if way.ttl is None:
        return ""
    most = "" if way.ttl == way.max_ttl else f", at most {way.max_ttl}"
    return f"for {way.ttl} a run{most}"


def _sentence(one: _Alike, privileges: list[Privilege], future: _Alike | None, gains: str) -> Sentence:
    words = ", ".join(sorted(privileges, key=_ORDER.index)) or "everything an owner can"
    also = (
        f", also those that {future.target.owner} will make" if future and isinstance(future.target, OnFuture) else ""
    )
    return Sentence(
        one.kind,
        _VERBS.get(one.kind, gains),
        words + (" WITH GRANT OPTION" if one.grantable else ""),
        target_in_words(one.target) + also,
        one.way.database,
        one.way.role,
        lifetime(one.way, one.was),
        one.way.lease or "",
        one.apart_from,
    )


def target_in_words(target: object) -> str:
    """What a right is on, for people."""
    match target:
        case OnDatabase(dbname):
            return f"database {dbname}"
        case OnSchema(schema):
            return f"schema {schema}"
        case OnAll(kind, schema):
            return f"all {kind.lower()}s in schema {schema}"
        case OnFuture(kind, schema, owner):
            return f"all {kind.lower()}s that {owner} will make in schema {schema}"
        case OnNamed(kind, schema, names):
            return f"{kind.lower()} " + ", ".join(f"{schema}.{name}" for name in names)
        case OnColumns(schema, table, names):
            return "column " + ", ".join(f"{schema}.{table}({name})" for name in names)
        case OnOwned(owner):
            return f"what {owner} owns"
        case _:
            return str(target)


def _most(maximum: Duration | None) -> str:
    return "no end" if maximum is None else f"at most {maximum} a run"
