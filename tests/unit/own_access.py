"""An Access of the shape that the components make, as the servers show it, with the components' own texts."""

from __future__ import annotations

import re
from dataclasses import replace

from runlease.access import (
    Access,
    Account,
    Attribute,
    Connection,
    Duration,
    Grant,
    ObjectKind,
    OnDatabase,
    OnNamed,
    OnSchema,
    PathRule,
    Permission,
    Policy,
    Privilege,
    Role,
    TaskText,
    Trust,
)
from runlease.access.lifetimes import TOKEN_MARGIN
from runlease.config import load, to_access
from runlease.provision.broker import REVOCATION_STATEMENT, creation_statement
from runlease.provision.tekton import TASKS, read_task
from runlease.provision.tiers import tier_of, tiers_of
from runlease.provision.vault.names import USERNAME_TEMPLATE, database_mount, jwt_mount, policy, policy_name
from tests.unit.config_edits import at, settings_with

CONNECT = (Privilege.CONNECT,)
CALLS = ("create_login", "drop_login", "renew_login", "reap")
LEASED = {"database": "shop", "profile": "seeder", "ttl": "10m", "max_ttl": "10m"}
DECLARED = to_access(load(settings_with(at("leases", "shop-seeder", is_=LEASED))))
LEASES = tuple(
    replace(
        lease,
        mount=database_mount("shop-prod"),
        connection=f"shop-{tier_of(lease.profile)}",
        creation=(creation_statement(lease.profile),),
        revocation=(REVOCATION_STATEMENT,),
    )
    for lease in DECLARED.leases
    if lease.profile is not None
)
CONTROLLER = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"


def own_access() -> Access:
    """What PROD becomes on a server of one's own, where the admin is a superuser that is not ours."""
    return replace(
        DECLARED,
        roles=own_roles(),
        leases=LEASES,
        connections=connections(),
        policies=tuple(own_policy(lease.name) for lease in LEASES),
        trusts=tuple(own_trust(number) for number in range(len(DECLARED.bindings))),
        accounts=tuple(
            Account(binding.identity.namespace, binding.identity.service_account, automount=False)
            for binding in DECLARED.bindings
        ),
        permissions=(Permission(CONTROLLER, "*", ("create",), ("pods", "serviceaccounts/token")),),
        tasks=tuple(task_text("ci", task) for task in TASKS),
    )


def own_roles() -> tuple[Role, ...]:
    broker, deployer = "runlease_shop_broker", "runlease_shop_deployer"
    on_database = OnDatabase("shop")
    profiles = tuple(
        replace(role, inherit=False, admins=(broker,)) if role.runs_as else replace(role, admins=(broker,))
        for role in DECLARED.roles
    )
    return (
        *profiles,
        Role("shop_owner", "shop", None, (), members=("shop_migrator",), inherit=False),
        Role(
            broker,
            "shop",
            None,
            (Grant((Privilege.CONNECT, Privilege.CREATE), on_database, broker),),
            members=(deployer,),
            attributes=frozenset({Attribute.CREATEROLE}),
        ),
        Role(deployer, "shop", None, (), login=True),
        Role("runlease_shop_login", "shop", None, (), admins=(broker,)),
        Role("pg_signal_backend", "shop", None, (), members=(broker,)),
        Role("pg_read_all_settings", "shop", None, (), members=("pg_monitor",)),
        Role("shop_app", "shop", None, (Grant(CONNECT, on_database, "shop_app"),), login=True),
        *(vault_login(tier.login) for tier in tiers_of("shop")),
        sandbox_login("run_shop-sandbox_abcdefghijklmnopqrst"),
    )


def vault_login(name: str) -> Role:
    grants = (
        Grant(CONNECT, OnDatabase("shop"), name),
        Grant((Privilege.USAGE,), OnSchema("runlease"), name),
        Grant((Privilege.EXECUTE,), OnNamed(ObjectKind.FUNCTION, "runlease", CALLS), name),
    )
    return Role(name, "shop", None, grants, login=True, inherit=False)


def sandbox_login(name: str) -> Role:
    grant = Grant((Privilege.USAGE, Privilege.CREATE), OnSchema(name), name)
    return Role(name, "shop", None, (grant,), login=True, admins=("runlease_shop_broker",))


def connections() -> tuple[Connection, ...]:
    return tuple(
        Connection(
            database_mount("shop-prod"),
            tier.connection,
            "shop",
            tier.login,
            host="db.internal:5432",
            allowed_roles=tuple(lease.name for lease in LEASES if lease.connection == tier.connection),
            sslmode="verify-full",
            username_template=USERNAME_TEMPLATE,
            password_authentication="scram-sha-256",
            mount_maximum=Duration(1800),
        )
        for tier in tiers_of("shop")
    )


def own_policy(lease: str) -> Policy:
    """The policy's own text, read as far as it goes."""
    rules = [
        PathRule(path, tuple(re.findall(r'"(\w+)"', capabilities)), _parameters(parameters))
        for path, capabilities, parameters in re.findall(
            r'path "([^"]+)" \{\n  capabilities = \[([^\]]*)\]\n(?:  allowed_parameters = \{\n(.*?)\n  \}\n)?\}',
            policy("shop-prod", lease),
            re.DOTALL,
        )
    ]
    assert len(rules) == policy("shop-prod", lease).count("path ")
    return Policy(policy_name("shop-prod", lease), tuple(rules))


def _parameters(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (name, tuple(re.findall(r'"([^"]*)"', values))) for name, values in re.findall(r'"([^"]+)" = \[(.*?)\]', text)
    )


def own_trust(number: int) -> Trust:
    binding = DECLARED.bindings[number]
    identity = binding.identity
    longest = next(lease.max_ttl for lease in DECLARED.leases if lease.name == binding.lease)
    return Trust(
        jwt_mount("shop-prod"),
        f"shop-prod.{identity.namespace}.{identity.service_account}",
        bound_subject=identity.subject,
        audiences=(identity.audience,),
        bound_claims=(
            ("/kubernetes.io/namespace", (identity.namespace,)),
            ("/kubernetes.io/serviceaccount/name", (identity.service_account,)),
            ("/kubernetes.io/pod/uid", ("*-*-*-*-*",)),
        ),
        claims_type="glob",
        issuer=identity.issuer,
        policies=(policy_name("shop-prod", binding.lease),),
        no_default_policy=True,
        expiration_leeway=-1,
        not_before_leeway=-1,
        clock_skew_leeway=-1,
        token_ttl=longest + TOKEN_MARGIN,
        token_max_ttl=longest + TOKEN_MARGIN,
        token_explicit_max_ttl=longest + TOKEN_MARGIN,
    )


def task_text(namespace: str, task: str) -> TaskText:
    """A Task of ours, as it is written."""
    spec = read_task(task)["spec"]
    containers = [(f"steps.{step['name']}", step) for step in spec["steps"]]
    containers += [(f"sidecars.{sidecar['name']}", sidecar) for sidecar in spec["sidecars"]]
    values = [(f"params.{param['name']}", str(param["default"])) for param in spec["params"] if "default" in param]
    values += [
        (f"{place}.env.{variable['name']}", variable["value"])
        for place, container in containers
        for variable in container.get("env", ())
    ]
    return TaskText(
        namespace,
        task,
        images=tuple((place, container["image"]) for place, container in containers),
        scripts=tuple((place, container["script"]) for place, container in containers),
        values=tuple(values),
    )


def managed_access() -> Access:
    """The same at a provider, on 16 or newer: the admin has CREATEROLE, and ADMIN on every role that it made."""
    cloud = Role("cloud", "shop", None, (), login=True, attributes=frozenset({Attribute.CREATEROLE}))
    made = {"runlease_shop_broker", "runlease_shop_deployer", "shop_owner", "shop_migrator"}
    roles = [
        replace(role, admins=(*role.admins, "cloud")) if role.name in made else role
        for role in own_roles()
        if role.name != "pg_signal_backend"
    ]
    return replace(own_access(), roles=(*roles, cloud))
