"""A program whose resources break every rule, once it stands beside the components. It is also copied into a stack."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_postgresql as postgresql
import pulumi_vault as vault

PASSWORD = "a-plain-password"
"""Stands in the Task and in a connection, and must be printed nowhere."""


def break_every_rule() -> None:
    """In the installation of the config, whose one database has its name and the leases migrator and reader."""
    settings = pulumi.Config("runlease").require_object("access")
    key = settings["installation"]
    _in_postgres(key, settings["databases"][key])
    _in_vault(key, settings)
    _in_kubernetes(key)


def _in_postgres(key: str, database: dict[str, str]) -> None:
    password = pulumi.Config("runlease").require_secret(f"admin-password-{key}")
    provider = postgresql.Provider(
        "beside",
        host=database["host"],
        port=int(database.get("port", 5432)),
        database=key,
        sslmode="verify-full",
        sslrootcert=database["ca"],
        username="postgres",
        password=password,
    )
    options = pulumi.ResourceOptions(provider=provider)

    def grant(name: str, role: str, kind: str, privilege: str) -> None:
        postgresql.Grant(
            name, database=key, role=role, object_type=kind, schema="app", privileges=[privilege], opts=options
        )

    postgresql.Role("boss", name="boss", login=True, superuser=True, opts=options)  # RL001
    grant("everybody", "public", "schema", "USAGE")  # RL002
    grant("all", "team", "table", "ALL")  # RL003, RL004, RL005, RL011
    postgresql.GrantRole("analyst", role="analyst", grant_role="pg_read_all_data", opts=options)  # RL006
    postgresql.Role("team", name="team", login=True, opts=options)  # RL007 by its grant
    postgresql.GrantRole("member", role="member", grant_role="team", opts=options)  # RL008
    postgresql.GrantRole("lead", role="lead", grant_role="team", with_admin_option=True, opts=options)  # RL009
    postgresql.Role("unreached", name="unreached", opts=options)
    grant("unreached", "unreached", "schema", "USAGE")  # RL036


def _in_vault(key: str, settings: dict[str, dict[str, str]]) -> None:
    provider = vault.Provider(
        "beside-vault",
        address=settings["vault"]["address"],
        ca_cert_file=settings["vault"]["ca"],
        token=pulumi.Config("runlease").require_secret("vault-token"),
    )
    options = pulumi.ResourceOptions(provider=provider)
    vault.Mount("beside", path="beside", type="database", max_lease_ttl_seconds=3600, opts=options)
    for name in ("one", "two"):  # RL020
        vault.database.SecretBackendConnection(
            name,
            name=name,
            backend="beside",
            allowed_roles=["*"],  # RL014
            postgresql={  # RL015, RL016, RL019
                "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@db.internal:5432/{key}",
                "username": "postgres",
                "password": PASSWORD,
            },
            opts=options,
        )
    vault.database.SecretBackendRole(
        "long",
        name="long",
        backend="beside",
        db_name="one",
        default_ttl=28_800,  # RL013
        max_ttl=28_800,  # RL012, RL035
        creation_statements=[
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'",
            'GRANT SELECT ON ALL TABLES IN SCHEMA app TO "{{name}}"',  # RL017
            'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO "{{name}}"',  # RL010
        ],  # RL018 by what is not said
        opts=options,
    )
    _wide_policy(key, options)


def _wide_policy(key: str, options: pulumi.ResourceOptions) -> None:
    vault.Policy(
        "wide",
        name="wide",
        policy='path "beside/creds/*" { capabilities = ["read"] }\n'  # RL021
        'path "sys/leases/revoke" { capabilities = ["update"] }\n'  # RL022
        f'path "{key}-db/creds/migrator" {{ capabilities = ["read"] }}\n'
        f'path "{key}-db/creds/reader" {{ capabilities = ["read"] }}\n',  # RL029
        opts=options,
    )
    for audiences in (["one", "two"], ["kubernetes"]):  # RL024, RL025
        vault.jwt.AuthBackendRole(
            "-".join(audiences),
            backend=f"{key}-jwt",
            role_name="-".join(audiences),
            role_type="jwt",
            user_claim="sub",
            bound_audiences=audiences,
            bound_subject=f"system:serviceaccount:{key}:runner" if len(audiences) > 1 else None,  # RL026
            token_policies=["wide"],  # RL023, RL027, RL028 by what is not said
            opts=options,
        )
    vault.identity.Group("people", name="people", policies=["wide"], opts=options)  # RL037


def _in_kubernetes(key: str) -> None:
    kubeconfig = pulumi.Config("runlease").require_secret("kubeconfig")
    options = pulumi.ResourceOptions(provider=kubernetes.Provider("beside-cluster", kubeconfig=kubeconfig))
    kubernetes.core.v1.ServiceAccount("runner", metadata={"name": "runner", "namespace": key}, opts=options)  # RL030
    kubernetes.rbac.v1.RoleBinding(  # RL031
        "developers",
        metadata={"name": "developers", "namespace": key},
        role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        subjects=[{"kind": "Group", "name": "developers", "api_group": "rbac.authorization.k8s.io"}],
        opts=options,
    )
    step = {
        "name": "query",
        "image": "docker.io/library/postgres",  # RL033
        "env": [{"name": "PGPASSWORD", "value": PASSWORD}],  # RL032
        "script": 'psql -c "$(params.query)"',  # RL034
    }
    kubernetes.apiextensions.CustomResource(
        "query",
        api_version="tekton.dev/v1",
        kind="Task",
        metadata={"name": "query", "namespace": key},
        spec={"params": [{"name": "query", "type": "string"}], "steps": [step]},
        opts=options,
    )
