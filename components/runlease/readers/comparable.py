"""Live access as a declaration would say it, so that the difference of the two is what nobody declared. Pure.

Taken away is what only live access knows (how Vault is wired), and what a deployment makes beside what it declares: the
broker, its logins, the owner, the admin. Each is taken away as far as it is what a deployment makes; whatever it holds
more than that stays.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cached_property

from runlease.access import (
    PUBLIC,
    Access,
    Attribute,
    Binding,
    Database,
    Grant,
    Lease,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Public,
    Role,
)
from runlease.config import DatabaseSettings, Settings, to_access
from runlease.config.made import BROKER_SCHEMA, own_role
from runlease.readers.grants import USUAL

_CALLABLE = (
    OnAll(ObjectKind.FUNCTION, BROKER_SCHEMA),
    OnNamed(ObjectKind.FUNCTION, BROKER_SCHEMA, ("create_login", "drop_login", "reap", "renew_login")),
)
"""The broker's functions as the catalogs call them: all, and where somebody added one, by name."""
_REACH_ROWS = (
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_maintain",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
)
"""Predefined roles whose members reach every table, or the server's disk."""


def comparable(live: Access, settings: Settings) -> Access:
    """The part of live access that a declaration speaks of: databases, roles, leases and bindings; and what is unread.

    A role that nobody declared is in it as far as it reaches something declared: the database itself, a declared
    schema, a profile's role or the owner. Roles of the rest of the server are not.
    """
    declared = to_access(settings)
    return Access(
        settings.installation,
        databases=tuple(_kept(database, settings) for database in live.databases),
        roles=tuple(role for key in settings.databases for role in _Site(settings, declared, live, key).roles()),
        leases=tuple(map(_worded, live.leases)),
        bindings=tuple(_bindings(live.bindings, declared.bindings)),
        unread=live.unread,
    )


def _kept(database: Database, settings: Settings) -> Database:
    """`keep` lets PUBLIC have what it has, and that may be nothing."""
    declared = settings.databases[database.key].public
    return replace(database, public=Public.KEEP) if declared is Public.KEEP else database


def _worded(lease: Lease) -> Lease:
    return replace(lease, mount="", connection="", creation=(), revocation=())


def _bindings(live: Collection[Binding], declared: Collection[Binding]) -> Iterator[Binding]:
    """With the pipeline and the task that the settings give an account, where one binding is clearly the other's."""
    same = {(binding.identity, binding.lease): binding for binding in declared}
    accounts = {_account(binding): binding for binding in declared}
    alike = [_account(binding) for binding in live]
    for binding in live:
        found = same.get((binding.identity, binding.lease))
        if found is None and alike.count(_account(binding)) == 1:
            found = accounts.get(_account(binding))
        yield replace(binding, pipeline=found.pipeline, task=found.task) if found else binding


def _account(binding: Binding) -> tuple[str, str, str]:
    return binding.identity.namespace, binding.identity.service_account, binding.lease


class _Site:
    """One database: what is declared, what a deployment makes beside it, and what there is."""

    def __init__(self, settings: Settings, declared: Access, live: Access, key: str) -> None:
        self._key, self._settings = key, settings.databases[key]
        self._declared = {role.name: role for role in declared.roles if role.database == key}
        self._live = [role for role in live.roles if role.database == key]
        self._made = {role.name: role for role in _made(key, self._settings, self._declared.values())}

    def roles(self) -> Iterator[Role]:
        """Declared roles as they are; of all others what is left, where that reaches something declared."""
        for role in self._live:
            if role.name in self._declared:
                yield self._as_declared(role)
            elif role.name != self._settings.admin:
                left = self._left(role)
                if self._reaches(left):
                    yield left

    def _as_declared(self, role: Role) -> Role:
        declared = self._declared[role.name]
        order = {str(grant): place for place, grant in enumerate(declared.grants)}
        members = self._without_made(role.members)
        same = set(members) == set(declared.members)
        return replace(
            role,
            grants=tuple(sorted(role.grants, key=lambda grant: (order.get(str(grant), len(order)), str(grant)))),
            members=declared.members if same else members,
            admins=self._without_made(role.admins, own_role(self._key, "broker")),
            # A role that leads to the owner inherits nothing of it: that is what `runs_as` means.
            inherit=declared.inherit if role.runs_as else role.inherit,
        )

    def _without_made(self, names: Iterable[str], *more: str) -> tuple[str, ...]:
        """Without the admin, who holds what it makes, and may anyway."""
        return tuple(name for name in names if name not in (self._settings.admin, *more))

    def _left(self, role: Role) -> Role:
        """A role without what a deployment gives it, and without grants on what nobody declared."""
        made = self._made.get(role.name) or Role(role.name, self._key, None, self._connect(role.name))
        grants = (_less(grant, made.grants) for grant in role.grants if self._declares(grant))
        return replace(
            role,
            grants=tuple(grant for grant in grants if grant is not None),
            members=tuple(name for name in self._without_made(role.members) if name not in made.members),
            admins=self._without_made(role.admins, *made.admins),
            attributes=role.attributes - made.attributes,
        )

    def _connect(self, name: str) -> tuple[Grant, ...]:
        connect = Grant((Privilege.CONNECT,), OnDatabase(self._settings.dbname), name)
        return (connect,) if name in self._settings.connect else ()

    def _declares(self, grant: Grant) -> bool:
        """Whether a grant is on something that the settings name; PUBLIC's own default is, where it is to lose it."""
        schemas = (*self._settings.schemas, BROKER_SCHEMA)
        kept = (self._settings.public or Public.REVOKE) is Public.KEEP
        match grant.target:
            case OnDatabase():
                return not (kept and grant.role == PUBLIC)
            case OnSchema(schema):
                return schema in schemas or (schema == "public" and grant.role == PUBLIC and not kept)
            case OnFuture(_, schema, owner):
                usual = grant.source == USUAL and kept
                return (schema in schemas or owner == self._settings.owner) and not usual
            case target:
                return target.schema in schemas and grant.source != USUAL

    def _reaches(self, left: Role) -> bool:
        made = self._made.get(left.name)
        if made is None:
            owns = left.runs_as == left.name and Attribute.SUPERUSER not in left.attributes
            held = left.name in _REACH_ROWS or left.name in self._holders
            return bool(left.grants) or owns or (held and bool(left.members or left.admins))
        opened = left.login and not made.login
        return bool(left.grants or left.members or left.admins or left.attributes or opened)

    @cached_property
    def _holders(self) -> set[str]:
        """Groups that hold a declared role, an owner or a broker, through one another as well."""
        found = {*self._declared, *self._made} - {PUBLIC, self._settings.admin}
        size = 0
        while size != len(found):
            size = len(found)
            found |= {name for role in self._live if role.name in found for name in (*role.members, *role.admins)}
        return found - {self._settings.admin}


def _made(key: str, settings: DatabaseSettings, declared: Iterable[Role]) -> Iterator[Role]:
    """What a deployment makes beside the declared roles."""
    broker, on_database = own_role(key, "broker"), OnDatabase(settings.dbname)
    yield Role(
        broker,
        key,
        None,
        (Grant((Privilege.CREATE, Privilege.CONNECT), on_database, broker),),
        members=(own_role(key, "deployer"),),
        attributes=frozenset({Attribute.CREATEROLE}),
    )
    yield Role(own_role(key, "deployer"), key, None, (), login=True)
    yield Role(own_role(key, "login"), key, None, (), admins=(broker,))
    for name in (own_role(key, "vault"), own_role(key, "vault_migrator")):
        calls = (Grant((Privilege.EXECUTE,), functions, name) for functions in _CALLABLE)
        enters = (
            Grant((Privilege.CONNECT,), on_database, name),
            Grant((Privilege.USAGE,), OnSchema(BROKER_SCHEMA), name),
        )
        yield Role(name, key, None, (*enters, *calls), login=True)
    yield Role(settings.owner, key, None, (), members=tuple(role.name for role in declared if role.runs_as))


def _less(grant: Grant, made: Iterable[Grant]) -> Grant | None:
    """A grant without the privileges that a deployment gives on the same target; None when nothing is left."""
    if grant.grantable:
        return grant
    given: set[Privilege] = set()
    for one in made:
        if one.target == grant.target:
            given |= set(one.privileges)
    left = tuple(one for one in grant.privileges if one not in given)
    return replace(grant, privileges=left) if left else None
