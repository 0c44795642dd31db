"""Reads one deployment as `runlease diff --live` does, with the token that the documentation asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runlease.access import Access
from runlease.access.diff import Change, diff
from runlease.config import Settings, load, to_access
from runlease.readers.comparable import comparable
from runlease.readers.live import read_live
from tests.live.deployment import Deployment, settings_of

DOCUMENTED = re.search(r"```hcl\n(.*?)```", (Path(__file__).parents[2] / "docs/live.md").read_text(), re.DOTALL)


class Reader:
    """Reads one deployment, with the token that the documentation asks for."""

    def __init__(self, site: Deployment, settings: Settings, token: str) -> None:
        self.site, self.settings = site, settings
        self.environment = {
            f"RUNLEASE_ADMIN_PASSWORD_{site.key.upper()}": site.postgres.password,
            "VAULT_TOKEN": token,
        }

    def live(self) -> Access:
        return read_live(self.settings, Path("/"), self.environment)

    def changes(self) -> tuple[Change, ...]:
        return diff(to_access(self.settings), comparable(self.live(), self.settings))

    @contextmanager
    def after(self, done: str, undone: str) -> Iterator[tuple[Change, ...]]:
        """The difference while some SQL of a superuser holds; {key} stands for the key."""
        with self.site.as_superuser() as session:
            session.execute(done.replace("{key}", self.site.key).encode())
        try:
            yield self.changes()
        finally:
            with self.site.as_superuser() as session:
                session.execute(undone.replace("{key}", self.site.key).encode())

    def vault(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask Vault as its root."""
        path = path.replace("{installation}", self.site.installation)
        return self.site.openbao.request(method, path, body, self.site.openbao.root_token)


def reading_token(site: Deployment, policy: str) -> str:
    name = f"reads-{site.installation}"
    root = site.openbao.root_token
    site.openbao.request("PUT", f"/sys/policies/acl/{name}", {"policy": policy}, root)
    made = site.openbao.request("POST", "/auth/token/create", {"policies": [name]}, root)
    return str(made["auth"]["client_token"])


def documented(site: Deployment) -> str:
    assert DOCUMENTED
    return DOCUMENTED[1].replace("shop-prod", site.installation)


def reader_of(site: Deployment, folder: Path, **database: object) -> Reader:
    settings = load(settings_of(site, folder, **database))
    return Reader(site, settings, reading_token(site, documented(site)))
