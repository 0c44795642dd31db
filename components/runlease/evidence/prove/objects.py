"""What a leased login may and may not do to tables, sequences, schemas and functions of its database. Pure."""

from collections.abc import Iterable, Iterator

from psycopg.sql import SQL, Composed, Identifier, Literal

from runlease.access import ObjectKind, OnAll, OnFuture, OnNamed, OnSchema, Privilege, Public
from runlease.access.rights import Right, RightsOf
from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted
from runlease.evidence.prove.sight import Holder, Relation, Sight

MOST = 100
"""Relations of a schema that are tried one by one; of the others those that the catalogs say are open."""

_MADE = Identifier("runlease_prove")
_SEQUENCE = (Privilege.SELECT, Privilege.USAGE, Privilege.UPDATE)
_OF_COLUMNS = (Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE, Privilege.REFERENCES)
_USED = (Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE)
"""Privileges to write that a statement on no row uses."""


def object_attempts(holder: Holder, sight: Sight) -> Iterator[Attempt | Omitted]:
    """Every attempt on an object; what is declared and what is not."""
    rights = RightsOf(holder.access).of(holder.role.name, holder.database.key)
    for schema in sight.schemas:
        yield from _of_schema(holder, schema, rights)
        yield from _of_relations(holder, sight, schema, rights)
    yield from _named(holder, sight, rights)
    yield from _future(holder, rights)
    yield from _of_routines(holder, sight, rights)


def declared(rights: Iterable[Right], relation: Relation) -> frozenset[Privilege]:
    """The privileges on a relation that are declared."""
    kind = ObjectKind.SEQUENCE if relation.is_sequence else ObjectKind.TABLE
    wanted = (OnAll(kind, relation.schema), OnNamed(kind, relation.schema, (relation.name,)))
    return frozenset(right.privilege for right in rights if right.privilege and right.target in wanted)


def _of_schema(holder: Holder, schema: str, rights: Iterable[Right]) -> Iterator[Attempt | Omitted]:
    own = schema == holder.own_schema
    usage = own or any(right.privilege is Privilege.USAGE and right.target == OnSchema(schema) for right in rights)
    what, asked = f"USAGE ON SCHEMA {schema}", _may_use(schema)
    if schema == "public" and not usage and holder.database.public is Public.KEEP:
        yield Omitted(holder.lease.name, what, _kept(holder), gap=False)
    else:
        yield _asked(holder, what, asked, allowed=usage)
    what = f"CREATE ON SCHEMA {schema}"
    if own and not holder.writes:
        asked = SQL("SELECT has_schema_privilege({}, 'CREATE')").format(Literal(schema))
        yield _asked(holder, what, asked, allowed=True)
    else:
        yield _tried(holder, what, SQL("CREATE TABLE {}.{} ()").format(Identifier(schema), _MADE), allowed=own)


def _of_relations(holder: Holder, sight: Sight, schema: str, rights: Iterable[Right]) -> Iterator[Attempt | Omitted]:
    here = [relation for relation in sight.relations if relation.schema == schema]
    left = 0
    for place, relation in enumerate(here):
        may = declared(rights, relation)
        if place >= MOST and relation.holds <= may:
            left += 1
            continue
        for privilege in _privileges(sight, relation):
            yield _on_relation(holder, relation, privilege, allowed=privilege in may)
        yield from _as_if_owned(holder, sight, relation)
    if left:
        reason = f"{left} of them; the catalogs say that nothing undeclared is open on any"
        yield Omitted(holder.lease.name, f"more than {MOST} relations of schema {schema}", reason, gap=False)


def _privileges(sight: Sight, relation: Relation) -> tuple[Privilege, ...]:
    return _SEQUENCE if relation.is_sequence else sight.table_privileges


def _on_relation(holder: Holder, relation: Relation, privilege: Privilege, *, allowed: bool) -> Attempt:
    what, name = f"{privilege} ON {relation}", Identifier(relation.schema, relation.name)
    if privilege is Privilege.SELECT and not relation.is_sequence and relation.kind != "f":
        # Without a column, one that may be read is enough; and no row is read.
        columns = SQL("*") if allowed else SQL("")
        return _tried(holder, what, SQL("SELECT {} FROM {} LIMIT 0").format(columns, name), allowed=allowed)
    if privilege in _USED and relation.stores and (statement := _write(privilege, relation)) is not None:
        if holder.writes:
            return _tried(holder, what, statement, allowed=allowed)
        return _asked(holder, what, SQL("EXPLAIN ") + statement, allowed=allowed)
    if relation.is_sequence and privilege is Privilege.USAGE and holder.writes:
        return _tried(holder, what, SQL("SELECT nextval({})").format(Literal(name.as_string())), allowed=allowed)
    return _asked(holder, what, _has(relation, privilege), allowed=allowed)


def _write(privilege: Privilege, relation: Relation) -> SQL | Composed | None:
    """A statement that writes no row. An INSERT without columns needs one that may be written, any of them."""
    name = Identifier(relation.schema, relation.name)
    if privilege is Privilege.INSERT:
        return SQL("INSERT INTO {} SELECT WHERE false").format(name)
    if privilege is Privilege.DELETE:
        return SQL("DELETE FROM {} WHERE false").format(name)
    if relation.column is None:
        return None
    return SQL("UPDATE {} SET {} = DEFAULT WHERE false").format(name, Identifier(relation.column))


def _has(relation: Relation, privilege: Privilege) -> SQL | Composed:
    """Whether the schema can be used, and the privilege is held on the whole or on any column."""
    kind = "any_column" if privilege in _OF_COLUMNS else "table"
    function = SQL("has_sequence_privilege" if relation.is_sequence else f"has_{kind}_privilege")
    return SQL("SELECT has_schema_privilege({}, 'USAGE') AND {}({}::oid, {})").format(
        Literal(relation.schema), function, Literal(relation.oid), Literal(str(privilege))
    )


def _as_if_owned(holder: Holder, sight: Sight, relation: Relation) -> Iterator[Attempt]:
    name = Identifier(relation.schema, relation.name)
    if relation.stores:
        yield _tried(
            holder, f"ALTER {relation}", SQL("ALTER TABLE {} ADD COLUMN {} int").format(name, _MADE), allowed=False
        )
    options = ", ".join(f"{one} WITH GRANT OPTION" for one in _privileges(sight, relation))
    function = SQL("has_sequence_privilege" if relation.is_sequence else "has_table_privilege")
    asked = SQL("SELECT {}({}::oid, {})").format(function, Literal(relation.oid), Literal(options))
    yield _asked(holder, f"GRANT ON {relation}", asked, allowed=False)


def _named(holder: Holder, sight: Sight, rights: Iterable[Right]) -> Iterator[Attempt]:
    """What is declared by name and is not there."""
    seen = {(relation.schema, relation.name) for relation in sight.relations}
    for right in sorted(rights, key=str):
        match right.target:
            case OnNamed(ObjectKind.TABLE | ObjectKind.SEQUENCE, schema, (name,)) if (schema, name) not in seen:
                absent = Literal(Identifier(schema, name).as_string())
                yield _tried(holder, str(right), SQL("SELECT {}::regclass").format(absent), allowed=True)


def _future(holder: Holder, rights: Iterable[Right]) -> Iterator[Attempt]:
    """Default privileges: what an owner will make can only be asked for."""
    letters = {ObjectKind.TABLE: "r", ObjectKind.SEQUENCE: "S", ObjectKind.FUNCTION: "f"}
    for right in sorted(rights, key=str):
        if isinstance(right.target, OnFuture) and right.privilege:
            asked = SQL(
                "SELECT EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a"
                " WHERE pg_get_userbyid(d.defaclrole) = {} AND d.defaclobjtype = {}"
                " AND d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = {})"
                " AND pg_get_userbyid(a.grantee) = {} AND a.privilege_type = {})"
            ).format(
                Literal(right.target.owner),
                Literal(letters[right.target.kind]),
                Literal(right.target.schema),
                Literal(holder.role.name),
                Literal(str(right.privilege)),
            )
            yield _asked(holder, str(right), asked, allowed=True)


def _of_routines(holder: Holder, sight: Sight, rights: Iterable[Right]) -> Iterator[Attempt | Omitted]:
    targets = {right.target for right in rights if right.privilege is Privilege.EXECUTE}
    for routine in sight.routines:
        name = routine.signature.partition("(")[0]
        named = OnNamed(ObjectKind.FUNCTION, routine.schema, (name,))
        may = bool(targets & {named, OnAll(ObjectKind.FUNCTION, routine.schema)})
        what = f"EXECUTE ON FUNCTION {routine.schema}.{routine.signature}"
        if routine.public and holder.database.public is Public.KEEP:
            yield Omitted(holder.lease.name, what, _kept(holder), gap=False)
            continue
        asked = SQL("SELECT has_schema_privilege({}, 'USAGE') AND has_function_privilege({}::oid, 'EXECUTE')").format(
            Literal(routine.schema), Literal(routine.oid)
        )
        yield _asked(holder, what, asked, allowed=may or routine.schema == holder.own_schema)


def _may_use(schema: str) -> SQL | Composed:
    return SQL("SELECT has_schema_privilege({}, 'USAGE')").format(Literal(schema))


def _kept(holder: Holder) -> str:
    return f"PUBLIC may keep it: access.databases.{holder.database.key}.public is keep"


def _tried(holder: Holder, what: str, statement: SQL | Composed, *, allowed: bool) -> Attempt:
    return Attempt(holder.lease.name, what, statement, _expected(allowed))


def _asked(holder: Holder, what: str, statement: SQL | Composed, *, allowed: bool) -> Attempt:
    return Attempt(holder.lease.name, what, statement, _expected(allowed), How.ASKED)


def _expected(allowed: bool) -> Expected:
    return Expected.ALLOWED if allowed else Expected.REFUSED
