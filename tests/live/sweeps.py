"""A site that is swept: a real API server gives its pods, and whoever sweeps has the documented rights alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.config import Settings, load
from runlease.evidence.sweep.edge_sweep import Sweep
from runlease.evidence.sweep.swept import Swept
from runlease.provision.vault.names import sweeper_policy
from tests.live.broker_calls import DONE, make
from tests.live.deployment import PROFILES, Deployment, Lease, deploy, settings_of

OFFERED: dict[str, object] = {name: {} for name in (*PROFILES, "sweeper")}


@dataclass(frozen=True)
class SweptSite:
    """A site of its own, and the means to sweep it."""

    site: Deployment
    kubernetes: Kubernetes
    settings: Settings
    environment: dict[str, str]

    @classmethod
    def made(
        cls, key: str, server: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, folder: Path
    ) -> SweptSite:
        major = int(server.version.split(".")[0])
        site = deploy(
            Deployment(key, f"pg{major}-{key}", major, False, server, openbao, kubernetes), folder, profiles=OFFERED
        )
        site.migrate("CREATE TABLE items (id serial PRIMARY KEY, label text)")
        settings = load(settings_of(site, folder, profiles=OFFERED))
        allowed = sweeper_policy(site.installation, f"{site.installation}-jwt", settings.leases)
        name, root = f"sweeps-{site.installation}", openbao.root_token
        openbao.request("PUT", f"/sys/policies/acl/{name}", {"policy": allowed}, root)
        policies = {"policies": [name, f"{site.installation}.sweeper"], "no_default_policy": True}
        token = openbao.request("POST", "/auth/token/create", policies, root)["auth"]["client_token"]
        home = str(kubernetes.kubeconfig.parent)  # where kubectl keeps its cache
        known = {"HOME": home, "KUBECONFIG": str(kubernetes.kubeconfig), "PATH": "/usr/bin:/bin"}
        environment = {"VAULT_TOKEN": token, **known}
        return cls(site, kubernetes, settings, environment)

    def sweep(self, *, apply: bool = False, older_than: float = 0, settings: Settings | None = None) -> Swept:
        given = settings or self.settings
        return Sweep(given, Path("/"), self.environment, timedelta(seconds=older_than), apply).run()

    def told(self, **asked: bool | float) -> list[tuple[str, str, str]]:
        """Kind, subject and outcome of everything that a sweep says; it must be the whole answer."""
        swept = self.sweep(**asked)  # type: ignore[arg-type]  # either keyword, as sweep takes them
        assert not swept.partial
        return [(str(one.remnant.kind), one.remnant.subject, one.outcome) for one in swept.told]

    def orphan(self, login: str, profile: str = "reader") -> str:
        """A login as Vault leaves it when it dies between making it and keeping its lease."""
        with self.site.as_vault("vault_migrator" if profile == "migrator" else "vault", undone=False) as vault:
            assert make(vault, profile, login) == DONE
        return login

    def without_pod(self, profile: str) -> Lease:
        """A lease whose pod is gone."""
        lease = self.site.take(profile)
        self.kubernetes.remove_pod("ci", f"{self.site.installation}-{profile}")
        return lease

    def exists(self, login: str) -> bool:
        return bool(self.site.rows("SELECT FROM pg_roles WHERE rolname = %s", login))
