"""What mends a difference: the SQL or HTTP that makes what is live what was declared again. Pure.

A role, a lease or a binding that is missing is made by a deployment alone: the broker must own the one, and Vault's
passwords, policies and statements hang together with the others.
"""

import re
from collections.abc import Iterator

from runlease.access import (
    PUBLIC,
    Attribute,
    Binding,
    Database,
    Grant,
    Lease,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Public,
    Role,
)
from runlease.access.diff import Change
from runlease.access.sql import identifier
from runlease.config.made import database_mount

UP = "pulumi up"
_SIGNATURE = re.compile(r'([^()]+)(\([A-Za-z0-9_ ,."\[\]]*\))')
"""A function by name and arguments. What an argument's type could hide a statement in is none of these characters."""


def mend(change: Change, installation: str) -> str:
    """Statements that undo a change from what is declared (`before`) to what is live (`after`)."""
    try:
        return _mend(change, installation)
    except ValueError:
        return "look at it, and revoke it by hand: it has a name that no statement can be written for here"


def _mend(change: Change, installation: str) -> str:
    noun = change.after if change.after is not None else change.before
    match noun:
        case Role():
            return _role(change.before, change.after)
        case Database():
            return _database(change.before, change.after)
        case Lease():
            if change.before is None:
                return f"DELETE /v1/{database_mount(installation)}/roles/{noun.name}"
            return f"{UP}: a lease hangs together with its connection and policy"
        case Binding():
            if change.before is None and noun.source.startswith("auth/"):
                return f"DELETE /v1/{noun.source}"
            return f"{UP}: a binding is a JWT role and a policy, which hang together"
        case _:
            return "look at it: what it gives is not followed"


def _database(before: Database | None, after: Database | None) -> str:
    if before is None or after is None:
        return f"{UP}: a database is made with its owner, schemas and broker"
    statements = []
    if before.public is Public.REVOKE and after.public is not before.public:
        statements.append(f"REVOKE ALL ON DATABASE {identifier(after.dbname)} FROM PUBLIC;")
    if before.owner != after.owner:
        statements += [
            f"ALTER SCHEMA {identifier(schema)} OWNER TO {identifier(before.owner)};" for schema in after.schemas
        ]
    for schema in before.schemas:
        if schema not in after.schemas:
            statements.append(f"CREATE SCHEMA {identifier(schema)} AUTHORIZATION {identifier(before.owner)};")
    return " ".join(statements) or UP


def _role(before: Role | None, after: Role | None) -> str:
    if after is None:
        return f"{UP}: the broker must own the role, or no lease of it is given"
    found = _statements(before or Role(after.name, after.database, None, ()), after, known=before is not None)
    return " ".join(found) or "a check below names each thing that it owns, or may log in as: mend that"


def _statements(before: Role, after: Role, *, known: bool) -> Iterator[str]:
    """What is too much goes first: a REVOKE on some tables would take away what is granted on all."""
    name = _grantee(after.name)
    yield from _grants("REVOKE", "FROM", more(after, before))
    yield from (f"REVOKE {name} FROM {_grantee(one)};" for one in after.members if one not in before.members)
    yield from (
        f"REVOKE {name} FROM {_grantee(one)};"
        if one not in before.members
        else f"REVOKE ADMIN OPTION FOR {name} FROM {_grantee(one)};"
        for one in after.admins
        if one not in before.admins
    )
    if after.name != PUBLIC:
        words = [f"NO{one}" for one in Attribute if one in after.attributes - before.attributes]
        words += [str(one) for one in Attribute if one in before.attributes - after.attributes]
        words += ["LOGIN" if before.login else "NOLOGIN"] if known and before.login != after.login else []
        words += ["INHERIT" if before.inherit else "NOINHERIT"] if known and before.inherit != after.inherit else []
        if words:
            yield f"ALTER ROLE {name} {' '.join(words)};"
    if known:
        yield from _becomes(before, after)
    yield from _grants("GRANT", "TO", more(before, after))
    yield from (f"GRANT {name} TO {_grantee(one)};" for one in before.members if one not in after.members)


def _becomes(before: Role, after: Role) -> Iterator[str]:
    if after.runs_as not in (before.runs_as, None):
        yield f"REVOKE {identifier(str(after.runs_as))} FROM {identifier(after.name)};"
    if before.runs_as not in (after.runs_as, None):
        yield f"GRANT {identifier(str(before.runs_as))} TO {identifier(after.name)};"


def more(one: Role, than: Role) -> Iterator[Grant]:
    """The privileges that one role has and the other has not; what is granted on all objects is on each of them."""
    for grant in one.grants:
        left = tuple(
            privilege
            for privilege in grant.privileges
            if not any(
                privilege in other.privileges
                and grant.grantable <= other.grantable
                and _covers(other.target, grant.target)
                for other in than.grants
            )
        )
        if left:
            yield Grant(left, grant.target, grant.role, grant.grantable)


def _covers(one: object, other: object) -> bool:
    match one, other:
        case OnAll(kind, schema), OnNamed(other_kind, other_schema):
            return (kind, schema) == (other_kind, other_schema)
        case (OnAll(ObjectKind.TABLE, schema) | OnNamed(ObjectKind.TABLE, schema), OnColumns(other_schema, table)):
            return schema == other_schema and (isinstance(one, OnAll) or table in one.names)
        case _:
            return one == other


def _grants(verb: str, word: str, grants: Iterator[Grant]) -> Iterator[str]:
    for grant in grants:
        role, privileges = _grantee(grant.role), ", ".join(grant.privileges)
        option = " WITH GRANT OPTION" if verb == "GRANT" and grant.grantable else ""
        match grant.target:
            case OnFuture(kind, schema, owner):
                place = "" if schema == "*" else f" IN SCHEMA {identifier(schema)}"
                start = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(owner)}{place}" if owner else ""
                yield f"{start} {verb} {privileges} ON {kind}S {word} {role}{option};".strip()
            case OnColumns(schema, table, names):
                columns = ", ".join(map(identifier, names))
                each = ", ".join(f"{privilege} ({columns})" for privilege in grant.privileges)
                yield f"{verb} {each} ON TABLE {identifier(schema)}.{identifier(table)} {word} {role}{option};"
            case target:
                yield f"{verb} {privileges} ON {_on(target)} {word} {role}{option};"


def _on(target: object) -> str:
    match target:
        case OnDatabase(dbname):
            return f"DATABASE {identifier(dbname)}"
        case OnSchema(schema):
            return f"SCHEMA {identifier(schema)}"
        case OnAll(kind, schema):
            return f"ALL {kind}S IN SCHEMA {identifier(schema)}"
        case OnNamed(kind, schema, names):
            return f"{kind} " + ", ".join(f"{identifier(schema)}.{_named(kind, name)}" for name in names)
        case _:
            raise TypeError(f"no target of a grant (got {target!r})")


def _named(kind: ObjectKind, name: str) -> str:
    """A function that has others of its name comes with its arguments."""
    signature = _SIGNATURE.fullmatch(name) if kind is ObjectKind.FUNCTION else None
    return identifier(signature[1]) + signature[2] if signature else identifier(name)


def _grantee(name: str) -> str:
    return PUBLIC if name == PUBLIC else identifier(name)
