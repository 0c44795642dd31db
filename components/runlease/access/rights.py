"""Rights: what a role lets its sessions do, one privilege on one target at a time, memberships followed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from runlease.access.grants import Grant, ObjectKind, OnAll, OnColumns, OnNamed, Privilege, Target
from runlease.access.model import Access, Role

_WRITES = frozenset({Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE, Privilege.TRUNCATE})


@dataclass(frozen=True, order=True)
class OnOwned:
    """Everything that an owner role owns: a session becomes the owner."""

    owner: str

    def __str__(self) -> str:
        return f"everything that {self.owner} owns"


@dataclass(frozen=True)
class Right:
    """One privilege on one target of one database. `UPDATE ON TABLE app.product`."""

    privilege: Privilege | None
    """None: whatever an owner can."""
    target: Target | OnOwned
    database: str
    grantable: bool = False
    """Whether its holder may give it to others."""

    @property
    def owns(self) -> bool:
        """Whether it is an owner's."""
        return self.privilege is None

    @property
    def writes(self) -> bool:
        """Whether it changes rows."""
        return self.privilege in _WRITES

    def wider(self) -> Iterator["Right"]:
        """Every right that includes this one: itself, grantable, on the whole table, on all of a schema."""
        for target in (self.target, *_around(self.target)):
            for grantable in (True,) if self.grantable else (False, True):
                yield replace(self, target=target, grantable=grantable)

    def named_in(self, others: Collection["Right"]) -> tuple[str, ...]:
        """What others hold by name of what this one holds as a whole: `app.orders`, `app.items(label)`."""
        if not isinstance(self.target, OnAll | OnNamed):
            return ()
        alike = {one.target for one in others if one.privilege == self.privilege and one.database == self.database}
        return tuple(sorted(name for one in alike if self.target in _around(one) for name in _names(one)))

    def __str__(self) -> str:
        option = " WITH GRANT OPTION" if self.grantable else ""
        return f"{self.privilege or 'OWNER'} ON {self.target}{option}"


class RightsOf:
    """The rights of every role of one Access; each is worked out once."""

    def __init__(self, access: Access) -> None:
        self._roles: dict[tuple[str, str], Role] = {(role.name, role.database): role for role in access.roles}
        self._above: dict[tuple[str, str], list[Role]] = {}
        for role in access.roles:
            for member in (*role.members, *role.admins):
                self._above.setdefault((member, role.database), []).append(role)
        self._found: dict[tuple[str, str], frozenset[Right]] = {}

    def of(self, role: str, database: str) -> frozenset[Right]:
        """What a session in that role can do, by membership and as the owner that it may become."""
        key = role, database
        if key not in self._found:
            self._found[key] = frozenset(right for one in self._with_above(key) for right in _own_rights(one, database))
        return self._found[key]

    def _with_above(self, key: tuple[str, str]) -> list[Role]:
        seen: dict[tuple[str, str], Role] = {}
        waiting = [self._roles[key]] if key in self._roles else []
        while waiting:
            role = waiting.pop()
            if (role.name, role.database) not in seen:
                seen[role.name, role.database] = role
                waiting += self._above.get((role.name, role.database), [])
        return list(seen.values())


def _own_rights(role: Role, database: str) -> set[Right]:
    found = {right for grant in role.grants for right in _rights(grant, database)}
    return found | {Right(None, OnOwned(role.runs_as), database)} if role.runs_as else found


def _rights(grant: Grant, database: str) -> set[Right]:
    targets: list[Target] = [grant.target]
    if isinstance(grant.target, OnNamed | OnColumns):
        targets = [replace(grant.target, names=(name,)) for name in grant.target.names]
    return {Right(one, target, database, grant.grantable) for one in grant.privileges for target in targets}


def _around(target: Target | OnOwned) -> tuple[Target, ...]:
    """The wholes that it is a part of: who holds a privilege on one of them holds it here."""
    match target:
        case OnNamed(kind, schema, _):
            return (OnAll(kind, schema),)
        case OnColumns(schema, table, _):
            return OnNamed(ObjectKind.TABLE, schema, (table,)), OnAll(ObjectKind.TABLE, schema)
        case _:
            return ()


def _names(target: Target | OnOwned) -> tuple[str, ...]:
    match target:
        case OnNamed(_, schema, names):
            return tuple(f"{schema}.{name}" for name in names)
        case OnColumns(schema, table, names):
            return tuple(f"{schema}.{table}({name})" for name in names)
        case _:
            return ()
