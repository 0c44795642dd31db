"""Vault or OpenBao over HTTPS, with a token that may only read → connections, leases, policies and JWT roles.

What the token may not read is Unread, with the line of a policy that would let it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runlease.access import Unread
from runlease.config import VaultSettings
from runlease.readers.error import ReadError
from runlease.readers.https import SECONDS, Answer, UnreachableError, send

_READ, _LIST = "read", "list"


def ask(
    vault: VaultSettings,
    folder: Path,
    token: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """One answer of Vault's, whatever its status; without a token where that is empty. Raises ReadError for none."""
    headers = {"X-Vault-Token": token} if token else {}
    if vault.namespace:
        headers["X-Vault-Namespace"] = vault.namespace
    url = f"{vault.address.rstrip('/')}/v1/{quote(path, safe='/?=')}"
    try:
        return send(method, url, folder / vault.ca if vault.ca else None, headers, body, seconds)
    except UnreachableError as failed:
        raise ReadError(f"access.vault.address: {failed.problem}. Fix: {failed.fix}") from failed


@dataclass
class Engine:
    """One Vault, asked read-only."""

    settings: VaultSettings
    folder: Path
    token: str = field(repr=False)
    unread: list[Unread] = field(default_factory=list)
    """What was asked for and may not be read."""

    def mounts(self) -> Mapping[str, Mapping[str, Any]]:
        """Secrets engines by path, without the slash at its end. Raises ReadError when Vault cannot be asked at all."""
        answer = self._ask("sys/mounts")
        if answer.status == 403 and self._ask("auth/token/lookup-self").status != 200:
            raise ReadError(
                "VAULT_TOKEN: is refused, or may not even read sys/mounts (got 403, expected a token that reads what "
                "docs/live.md lists). Fix: log in again, and export VAULT_TOKEN=<the new token>"
            )
        return _by_path(self._understood(answer, "sys/mounts", _READ))

    def auths(self) -> Mapping[str, Mapping[str, Any]]:
        """Auth mounts by path, without `auth/` and the slash at its end."""
        return _by_path(self.read("sys/auth") or {})

    def read(self, path: str) -> Mapping[str, Any] | None:
        """What stands at a path, and None where nothing does or it is Unread."""
        return self._understood(self._ask(path), path, _READ)

    def below(self, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Everything in a list, by name."""
        listed = self._understood(self._ask(f"{path}?list=true"), path, _LIST) or {}
        for name in listed.get("keys") or ():
            found = self.read(f"{path}/{name}")
            if found is not None:
                yield str(name), found

    def listed(self, path: str) -> tuple[str, ...]:
        """The names in a list."""
        return tuple((self._understood(self._ask(f"{path}?list=true"), path, _LIST) or {}).get("keys") or ())

    def _ask(self, path: str) -> Answer:
        return ask(self.settings, self.folder, self.token, "GET", path)

    def _understood(self, answer: Answer, path: str, capability: str) -> Mapping[str, Any] | None:
        match answer.status:
            case 200:
                found = answer.body.get("data", {})
                return found if isinstance(found, dict) else {}
            case 404:
                return None
            case 403:
                # Vault puts a slash behind what is listed, before it looks at the policy.
                line = f'path "{path}{"/" if capability == _LIST else ""}" {{ capabilities = ["{capability}"] }}'
                self.unread.append(Unread(f"Vault {path}", f"the token may not {capability} it. Fix: {line}"))
                return None
            case 503:
                raise ReadError(
                    f"access.vault.address: is sealed or does not serve (got 503 from {self.settings.address}, "
                    "expected an unsealed Vault). Fix: unseal it"
                )
            case status:
                said = answer.body.get("errors") or ()
                self.unread.append(
                    Unread(f"Vault {path}", f"is not answered (got {status}: {', '.join(map(str, said))})")
                )
                return None


def _by_path(found: Mapping[str, Any] | None) -> Mapping[str, Mapping[str, Any]]:
    mounts: Iterable[tuple[str, Any]] = (found or {}).items()
    return {path.rstrip("/"): one for path, one in mounts if isinstance(one, dict) and "type" in one}
