"""Who holds a role, through any number of memberships, and which shapes are runlease's own. By shape, never by name."""

from collections import defaultdict
from collections.abc import Iterator

from runlease.access.grants import Grant, ObjectKind, OnDatabase, OnFuture, OnNamed, OnSchema, Privilege
from runlease.access.model import Access, Attribute, ProfileName, Role, Server
from runlease.access.profiles import grants_of

_MAKES_ROLES = {Attribute.SUPERUSER, Attribute.CREATEROLE}


class Holders:
    """The memberships of an Access, from both ends. A name is looked up among the Roles of the same database."""

    def __init__(self, access: Access) -> None:
        self._roles = {(role.database, role.name): role for role in access.roles}
        self._leased = {(lease.database, lease.role) for lease in access.leases}
        self._held = defaultdict[tuple[str, str], list[Role]](list)
        for role in access.roles:
            for member in role.members:
                self._held[role.database, member].append(role)

    def role(self, database: str, name: str) -> Role | None:
        """The Role of that name in one database, if anything is known of it."""
        return self._roles.get((database, name))

    def held_by(self, role: Role) -> list[Role]:
        """The roles that a role is a member of itself."""
        return self._held.get((role.database, role.name), [])

    def reached(self, role: Role) -> bool:
        """Whether somebody logs in and has it: itself, a member, or a lease. Unknown members are taken for a login."""
        waiting, seen = [role.name], set[str]()
        while waiting:
            name = waiting.pop()
            found = self.role(role.database, name)
            if found is None or found.login or (role.database, name) in self._leased:
                return True
            seen.add(name)
            waiting += [member for member in found.members if member not in seen]
        return False

    def makes_roles(self, database: str, name: str) -> bool:
        """Whether a role is SUPERUSER or CREATEROLE itself: what it is given beside that adds nothing."""
        role = self.role(database, name)
        return role is not None and bool(role.attributes & _MAKES_ROLES)

    def is_broker(self, role: Role) -> bool:
        """A NOLOGIN role that only the deployer may become: CREATEROLE at most, one member, and nobody's data."""
        if role.login or role.attributes - {Attribute.CREATEROLE} or len(role.members) != 1:
            return False
        deployer = self.role(role.database, role.members[0])
        return (
            deployer is not None
            and self._is_deployer(deployer)
            and self._handed_on_by_nobody_new(role)
            and all(isinstance(grant.target, OnDatabase) for grant in role.grants)
        )

    def _is_deployer(self, role: Role) -> bool:
        """A login without attributes that nobody else may become, whose only way to anything is the broker."""
        return (
            role.login
            and not role.attributes
            and not role.members
            and self._handed_on_by_nobody_new(role)
            and len(self.held_by(role)) == 1
            and all(only_connects(grant) for grant in role.grants)
        )

    def _handed_on_by_nobody_new(self, role: Role) -> bool:
        # From PostgreSQL 16 on, a CREATEROLE user that is no superuser administers every role that it makes.
        return all(self.makes_roles(role.database, admin) for admin in role.admins)

    def is_vault_login(self, role: Role) -> bool:
        """A NOINHERIT login without attribute or membership, that calls functions by name in one schema, no more."""
        schemas = {grant.target.schema for grant in role.grants if isinstance(grant.target, OnSchema | OnNamed)}
        return (
            role.login
            and not role.inherit
            and not role.attributes
            and not self.held_by(role)
            and len(schemas) <= 1
            and all(only_connects(grant) or (_calls(grant) and not grant.grantable) for grant in role.grants)
        )


def only_connects(grant: Grant) -> bool:
    """Whether a grant lets its role open a session and nothing else."""
    return grant.privileges == (Privilege.CONNECT,) and not grant.grantable


def is_sandbox(role: Role, grant: Grant) -> bool:
    """Whether a grant is a login's hold on the schema of its own name, which the broker drops with it."""
    return role.login and grant.target == OnSchema(role.name) and not grant.grantable


def _calls(grant: Grant) -> bool:
    if isinstance(grant.target, OnSchema):
        return grant.privileges == (Privilege.USAGE,)
    return isinstance(grant.target, OnNamed) and grant.target.kind is ObjectKind.FUNCTION


def is_leased_seeder(role: Role) -> bool:
    """A NOLOGIN role with exactly the seeder's grants for one owner, and no member: leases alone lead to it."""
    dbname = next((grant.target.dbname for grant in role.grants if isinstance(grant.target, OnDatabase)), "")
    owner = next((grant.target.owner for grant in role.grants if isinstance(grant.target, OnFuture)), "")
    schemas = dict.fromkeys(grant.target.schema for grant in role.grants if isinstance(grant.target, OnSchema))
    seeder = grants_of(ProfileName.SEEDER, role=role.name, dbname=dbname, owner=owner, schemas=tuple(schemas))
    exact = set(map(_content, role.grants)) == set(map(_content, seeder))
    return exact and not role.login and not role.members


def is_auditor(role: Role) -> bool:
    """A NOLOGIN role with exactly the auditor's grants, on either kind of server: whoever holds it reads no table."""
    dbname = next((grant.target.dbname for grant in role.grants if isinstance(grant.target, OnDatabase)), "")
    shapes = (
        grants_of(ProfileName.AUDITOR, role=role.name, dbname=dbname, owner="", schemas=(), server=server)
        for server in Server
    )
    exact = any(set(map(_content, role.grants)) == set(map(_content, shape)) for shape in shapes)
    return exact and not role.login


def _content(grant: Grant) -> tuple[object, ...]:
    return frozenset(grant.privileges), grant.target, grant.role, grant.grantable


def grants(access: Access) -> Iterator[tuple[Role, Grant]]:
    """Every grant with the role that holds it."""
    return ((role, grant) for role in access.roles for grant in role.grants)


def of_grant(role: Role, grant: Grant) -> str:
    """How a finding names a grant: whole, so that one accepted grant accepts no other."""
    return f"grant {grant} of {role.database}"


def of_role(role: Role) -> str:
    """How a finding names a role: with its database, because grants are one database's."""
    return f"role {role} of {role.database}"
