"""What runlease makes breaks no rule, and what only looks like it does: by shape, never by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from runlease.access import (
    PUBLIC,
    Access,
    Attribute,
    Grant,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnNamed,
    OnSchema,
    PathRule,
    Privilege,
    Role,
)
from runlease.access.rules import Bounds, findings
from runlease.config import to_acceptances, to_access, to_bounds
from runlease.config.files import read_stack_file
from tests.unit.own_access import managed_access, own_access, vault_login

FILES = sorted((Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"))
TODAY = date(2026, 7, 1)
BROKER, DEPLOYER = "runlease_shop_broker", "runlease_shop_deployer"
VAULT = "runlease_shop_vault"
SANDBOX = "run_shop-sandbox_abcdefghijklmnopqrst"
Edit = Callable[[Access], Access]


def found(access: Access) -> list[tuple[str, str]]:
    return [(finding.rule, finding.where) for finding in findings(access, Bounds(), (), TODAY)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_stack_breaks_no_rule(file: Path) -> None:
    settings = read_stack_file(file)
    assert findings(to_access(settings), to_bounds(settings), to_acceptances(settings), TODAY) == ()


def test_what_the_components_make_breaks_no_rule() -> None:
    assert found(own_access()) == []


def test_at_a_provider_only_the_admin_that_is_not_ours_is_found() -> None:
    assert found(managed_access()) == [("RL001", "CREATEROLE of role cloud of shop")]


def test_names_let_nothing_through() -> None:
    """Every role renamed, and nothing is found; so no name is looked for."""
    access = own_access()
    renamed = {role.name: f"x{number}" for number, role in enumerate(access.roles)}

    def name(old: str) -> str:
        return old if old.startswith("pg_") else renamed[old]

    def moved(grant: Grant) -> Grant:
        own_schema = grant.target == OnSchema(grant.role)
        target = OnSchema(name(grant.role)) if own_schema else grant.target
        return replace(grant, role=name(grant.role), target=target)

    roles = tuple(
        replace(
            role,
            name=name(role.name),
            grants=tuple(map(moved, role.grants)),
            members=tuple(renamed.get(member, member) for member in role.members),
            admins=tuple(map(name, role.admins)),
        )
        for role in access.roles
    )
    leases = tuple(replace(lease, role=name(lease.role)) for lease in access.leases)
    assert found(replace(access, roles=roles, leases=leases)) == []


def with_role(name: str, **edits: object) -> Edit:
    """One of our roles in another shape."""

    def edit(access: Access) -> Access:
        assert any(role.name == name for role in access.roles)
        roles = [replace(role, **edits) if role.name == name else role for role in access.roles]  # type: ignore[arg-type]  # fields by name
        return replace(access, roles=tuple(roles))

    return edit


def beside(role: Role) -> Edit:
    return lambda access: replace(access, roles=(*access.roles, role))


def granted(name: str, *grants: Grant) -> Edit:
    """One more grant to a role of ours."""

    def edit(access: Access) -> Access:
        roles = [replace(role, grants=role.grants + grants) if role.name == name else role for role in access.roles]
        return replace(access, roles=tuple(roles))

    return edit


def policy_with(rule: PathRule) -> Edit:
    """A path more, or another one, in the first policy."""

    def edit(access: Access) -> Access:
        first, *rest = access.policies
        kept = tuple(one for one in first.rules if one.path != rule.path)
        return replace(access, policies=(replace(first, rules=(*kept, rule)), *rest))

    return edit


def trust_with(**edits: object) -> Edit:
    def edit(access: Access) -> Access:
        first, *rest = access.trusts
        return replace(access, trusts=(replace(first, **edits), *rest))  # type: ignore[arg-type]  # fields by name

    return edit


READ_ALL = Grant((Privilege.SELECT,), OnAll(ObjectKind.TABLE, "app"), BROKER)
SUBJECT = "system:serviceaccount:ci:shop-release-migrate"
CREDS = "shop-prod-db/creds/shop-migrator"
LOOK_ALIKES: list[tuple[str, Edit, str]] = [
    ("a broker that logs in", with_role(BROKER, login=True), "RL001"),
    ("a broker with a second member", with_role(BROKER, members=(DEPLOYER, "eve")), "RL001"),
    ("a broker without a member", with_role(BROKER, members=()), "RL001"),
    ("a broker of somebody unknown", with_role(BROKER, members=("eve",)), "RL001"),
    ("a broker with one more attribute", with_role(BROKER, attributes=frozenset(Attribute)), "RL001"),
    ("a broker that somebody else may take", with_role(BROKER, admins=("eve",)), "RL001"),
    ("a broker that reads data", granted(BROKER, READ_ALL), "RL001"),
    ("a broker whose deployer reads data", granted(DEPLOYER, READ_ALL), "RL001"),
    ("a broker whose deployer has members", with_role(DEPLOYER, members=("eve",)), "RL001"),
    ("a deployer that may be taken", with_role(DEPLOYER, admins=("eve",)), "RL001"),
    ("a deployer that makes databases", with_role(DEPLOYER, attributes=frozenset({Attribute.CREATEDB})), "RL001"),
    ("a deployer that does not log in", with_role(DEPLOYER, login=False), "RL001"),
    (
        "a deployer that may let others connect",
        granted(DEPLOYER, Grant((Privilege.CONNECT,), OnDatabase("shop"), DEPLOYER, grantable=True)),
        "RL001",
    ),
    (
        "a deployer that is member of more",
        beside(Role("more", "shop", None, (), members=(DEPLOYER,))),
        "RL001",
    ),
    (
        "an administrator that somebody else may become",
        with_role(BROKER, members=(DEPLOYER, "eve"), attributes=frozenset()),
        "RL009",
    ),
    ("a signaller that is no broker", with_role("pg_signal_backend", members=(DEPLOYER,)), "RL006"),
    (
        "a broker that reads everything",
        beside(Role("pg_read_all_data", "shop", None, (), members=(BROKER,))),
        "RL006",
    ),
    ("a login of Vault that inherits", with_role(VAULT, inherit=True), "RL007"),
    ("a login of Vault with an attribute", with_role(VAULT, attributes=frozenset({Attribute.CREATEDB})), "RL007"),
    ("a login of Vault in a role", beside(Role("more", "shop", None, (), members=(VAULT,))), "RL007"),
    (
        "a login of Vault that calls everything",
        granted(VAULT, Grant((Privilege.EXECUTE,), OnAll(ObjectKind.FUNCTION, "runlease"), VAULT)),
        "RL007",
    ),
    (
        "a login of Vault that calls in two schemas",
        granted(VAULT, Grant((Privilege.EXECUTE,), OnNamed(ObjectKind.FUNCTION, "app", ("pay",)), VAULT)),
        "RL007",
    ),
    (
        "a login of Vault that lets others call",
        granted(VAULT, Grant((Privilege.USAGE,), OnSchema("runlease"), VAULT, grantable=True)),
        "RL007",
    ),
    (
        "a login of Vault that makes functions",
        granted(VAULT, Grant((Privilege.CREATE,), OnSchema("runlease"), VAULT)),
        "RL007",
    ),
    (
        "a sandbox that is handed on",
        with_role(SANDBOX, grants=(Grant((Privilege.USAGE,), OnSchema(SANDBOX), SANDBOX, grantable=True),)),
        "RL007",
    ),
    ("a login of Vault that reads", granted(VAULT, replace(READ_ALL, role=VAULT)), "RL007"),
    (
        "a login with all on a schema of another name",
        granted("shop_app", Grant((Privilege.USAGE, Privilege.CREATE), OnSchema("app"), "shop_app")),
        "RL003",
    ),
    (
        "a group role with all on a schema of its name",
        granted("shop_reader", Grant((Privilege.USAGE, Privilege.CREATE), OnSchema("shop_reader"), "shop_reader")),
        "RL003",
    ),
    ("a seeder with a member", with_role("shop_seeder", members=("eve",)), "RL011"),
    ("a seeder that logs in", with_role("shop_seeder", login=True), "RL011"),
    (
        "a seeder with one privilege more",
        granted("shop_seeder", Grant((Privilege.TRUNCATE,), OnAll(ObjectKind.TABLE, "app"), "shop_seeder")),
        "RL011",
    ),
    ("a pattern on the pod's name", trust_with(bound_claims=(("/kubernetes.io/pod/name", ("shop-*",)),)), "RL026"),
    (
        "a pattern on the namespace beside the pod",
        trust_with(bound_claims=(("/kubernetes.io/pod/uid", ("*",)), ("/kubernetes.io/namespace", ("ci*",)))),
        "RL026",
    ),
    ("a pattern as subject", trust_with(bound_subject=f"{SUBJECT}*"), "RL026"),
    ("revocation below every path", policy_with(PathRule("sys/leases/revoke/*", ("update",))), "RL021"),
    (
        "revocation below a path that it does not read",
        policy_with(PathRule("sys/leases/revoke/shop-prod-db/creds/shop-other/*", ("update",))),
        "RL021",
    ),
    ("renewal below its path", policy_with(PathRule(f"sys/leases/renew/{CREDS}/*", ("update",))), "RL021"),
    ("revocation without the slash", policy_with(PathRule(f"sys/leases/revoke/{CREDS}*", ("update",))), "RL021"),
    ("revocation of any lease", policy_with(PathRule("sys/leases/revoke", ("update",))), "RL022"),
    (
        "revocation of any lease by pattern",
        policy_with(PathRule("sys/leases/revoke", ("update",), (("lease_id", ("*",)),))),
        "RL022",
    ),
]


@pytest.mark.parametrize(("edit", "rule"), [row[1:] for row in LOOK_ALIKES], ids=[row[0] for row in LOOK_ALIKES])
def test_a_look_alike_of_another_shape_is_found(edit: Edit, rule: str) -> None:
    assert rule in [rule for rule, _ in found(edit(own_access()))]


def test_revocation_below_the_path_of_its_own_lease_is_let_through() -> None:
    allowed = policy_with(PathRule(f"sys/leases/revoke/{CREDS}/*", ("update",)))
    assert found(allowed(own_access())) == []


def test_public_is_never_taken_for_a_login_of_ours() -> None:
    assert {rule for rule, _ in found(beside(vault_login(PUBLIC))(own_access()))} == {"RL002"}
