"""The local stack on the lab's servers: its settings, and the two ways to apply the same program."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi.automation
import yaml

from lab.apply import apply_program
from lab.apply.kubernetes import to_folder, to_server
from lab.issuer import TokenIssuer
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.provision.stack import deploy, password_key

REPOSITORY = Path(__file__).parents[1]
Settings = dict[str, Any]
"""`runlease:access` as in a stack file."""


@dataclass(frozen=True)
class Servers:
    """The running servers that a stack is applied to."""

    postgres: PostgresServer
    openbao: OpenBao
    issuer: TokenIssuer
    kubernetes: Kubernetes | None
    admins: Mapping[str, str] = field(default_factory=dict)
    """Passwords of the logins that stand as `admin:` in the settings, beside the server's superuser."""

    def secrets(self, settings: Settings) -> dict[str, str]:
        """The stack's secrets, by config key."""
        passwords = {
            f"runlease:{password_key(key)}": self.admins.get(database.get("admin", ""), self.postgres.password)
            for key, database in settings["databases"].items()
        }
        kubeconfig = {"runlease:kubeconfig": self.kubernetes.kubeconfig.read_text()} if self.kubernetes else {}
        return {**passwords, "runlease:vault-token": self.openbao.root_token, **kubeconfig}


def local_settings() -> Settings:
    """`runlease:access` of the local stack, as it stands in the repository."""
    document = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.local.yaml").read_text())
    settings: Settings = document["config"]["runlease:access"]
    return settings


def on_servers(settings: Settings, servers: Servers, folder: Path) -> Settings:
    """The same settings with the addresses, CA certificates and keys of these servers."""
    placed = deepcopy(settings)
    key = folder / "issuer.pem"
    key.write_text(servers.issuer.public_key_pem)
    placed["vault"] |= {"address": servers.openbao.address, "ca": str(servers.openbao.ca)}
    placed["cluster"] |= {"issuer": servers.issuer.issuer, "jwks": "static", "public_keys": [str(key)]}
    for database in placed["databases"].values():
        ca = str(servers.postgres.ca)
        database |= {"host": servers.postgres.host, "port": servers.postgres.port, "ca": ca, "vault_ca": ca}
    return placed


def prepare(settings: Settings, servers: Servers) -> None:
    """Make what a stack expects to find: the namespaces of its pipelines."""
    for pipeline in settings["pipelines"].values():
        if servers.kubernetes:
            servers.kubernetes.create_namespace(pipeline["namespace"])


def apply_without_pulumi(
    settings: Settings, servers: Servers, folder: Path, report: Callable[[str], None] = lambda _: None
) -> int:
    """Create every resource of the program through the lab's own handlers, and return how many."""
    kubernetes = to_server(servers.kubernetes) if servers.kubernetes else to_folder(folder / "rendered")
    config = {"runlease:access": json.dumps(settings)}
    return apply_program(lambda: deploy(folder), config, servers.secrets(settings), kubernetes, report)


def pulumi_found() -> bool:
    """Whether a `pulumi` CLI is on PATH."""
    return shutil.which("pulumi") is not None


class PulumiStack:
    """The same program under a real `pulumi`: state in a folder, a passphrase of its own, no login."""

    def __init__(self, folder: Path, servers: Servers, name: str = "local") -> None:
        self._servers, self.folder = servers, folder / f"pulumi-{name}"
        (self.folder / "stacks").mkdir(parents=True)
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(_project()))
        shutil.copy(REPOSITORY / "stacks" / "__main__.py", self.folder / "stacks" / "__main__.py")
        self.environment = _environment(self.folder)
        workspace = pulumi.automation.LocalWorkspace(work_dir=str(self.folder), env_vars=self.environment)
        self.stack = pulumi.automation.Stack.create(name, workspace)

    def configure(self, settings: Settings) -> None:
        """Set the secrets, encrypted in the stack file, and write the settings beside them."""
        secret = {
            key: pulumi.automation.ConfigValue(value, secret=True)
            for key, value in self._servers.secrets(settings).items()
        }
        self.stack.set_all_config(secret)
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Write other settings for the next `up`, as an edit of the stack file would."""
        path = self.folder / "stacks" / f"Pulumi.{self.stack.name}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"] |= {"runlease:access": settings, "pulumi:disable-default-providers": ["*"]}
        path.write_text(yaml.safe_dump(document))

    def up(self, report: Callable[[str], None] = lambda _: None) -> int:
        """`pulumi up`; the number of resources that changed."""
        result = self.stack.up(on_output=report, color="never")
        return sum(count for kind, count in (result.summary.resource_changes or {}).items() if kind != "same")

    def expect_unchanged(self) -> None:
        """`preview`, then what `refresh` finds on the servers. Raises CommandError when either shows a change."""
        self.stack.preview(expect_no_changes=True, diff=True, color="never")
        self.stack.preview_refresh(expect_no_changes=True, diff=True, color="never")


def _project() -> dict[str, Any]:
    project: dict[str, Any] = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    project["runtime"]["options"]["virtualenv"] = sys.prefix
    return project


def _environment(folder: Path) -> dict[str, str]:
    home = os.environ.get("PULUMI_HOME", str(Path.home() / ".pulumi"))
    return {
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": secrets.token_urlsafe(24),
        "PULUMI_HOME": home,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
