"""A stack of another team: a database of its own, and the pipeline that migrates it with leased logins."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pulumi_postgresql as postgresql
import pulumi_vault as vault

from runlease import PipelineAccess, Providers

FOLDER = Path(__file__).parent

# Plain data: it decides which resources exist, so it must be known before any of them does.
SETTINGS: dict[str, Any] = {
    "installation": "customers-prod",
    "vault": {"address": "https://vault.internal:8200", "ca": "ca/vault.pem"},
    "cluster": {"issuer": "https://oidc.cluster.internal"},
    "databases": {
        "customers": {
            "server": "self_managed",
            "host": "customers-db.internal",
            "dbname": "customers",
            "ca": "ca/db.pem",
            "create": ["database", "owner", "schemas"],
            "owner": "customers_owner",
            "schemas": ["crm"],
            "profiles": {"migrator": {}, "reader": {"members": ["bi_tool"]}},
        },
    },
    "leases": {
        "customers-migrator": {"database": "customers", "profile": "migrator", "ttl": "10m", "max_ttl": "20m"},
    },
    "pipelines": {
        "customers-release": {"namespace": "customers-ci", "tasks": {"migrate": "customers-migrator"}},
    },
}


def providers(config: pulumi.Config) -> Providers:
    """Every provider is said; there is no default that could point somewhere else."""
    database = SETTINGS["databases"]["customers"]
    admin = postgresql.Provider(
        "customers-admin",
        host=database["host"],
        database="postgres",  # the database itself does not exist yet
        username="postgres",
        password=config.require_secret("admin-password"),
        sslmode="verify-full",
        sslrootcert=str(FOLDER / database["ca"]),
    )
    server = vault.Provider(
        "vault",
        address=SETTINGS["vault"]["address"],
        ca_cert_file=str(FOLDER / SETTINGS["vault"]["ca"]),
    )
    cluster = kubernetes.Provider("cluster", kubeconfig=config.require_secret("kubeconfig"))
    return Providers(databases={"customers": admin}, vault=server, kubernetes=cluster)


made = PipelineAccess(
    "customers",
    {"settings": SETTINGS, "providers": providers(pulumi.Config()), "folder": str(FOLDER)},
)
pulumi.export("access", str(made.access))
pulumi.export("give_public_back", made.give_public_back)
