"""Vault or OpenBao as whoever takes leases of its own for a while asks it: a sweep, or a verification from a pod."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runlease.config import Settings, scheduled_identity
from runlease.config.made import Scheduled, database_mount, jwt_role
from runlease.evidence.interruption import postponed
from runlease.readers.engine import ask
from runlease.readers.error import ReadError
from runlease.readers.https import SECONDS, Answer

VAULT_TOKEN = "vault-token"  # noqa: S105 - the name of a file
"""File of an identity's folder: the token for Vault."""

REVOKING = 60.0
"""Seconds to wait for a revocation: Vault waits for PostgreSQL, which may wait for a lock."""


@dataclass(frozen=True)
class TakenLease:
    """A lease that whoever asks holds itself."""

    id: str
    login: str
    password: str = field(repr=False)


@dataclass
class LeasingVault:
    """One Vault, with the token of whoever asks."""

    settings: Settings
    folder: Path
    token: str = field(default="", repr=False)
    missing: list[str] = field(default_factory=list)
    """What could not be read, with what would let it."""

    @property
    def mount(self) -> str:
        """Path of the database mount."""
        return database_mount(self.settings.installation)

    @property
    def logins(self) -> str:
        """Path under which Vault keeps the tokens of runs as leases."""
        return f"auth/{self.settings.jwt_mount}/login"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = SECONDS) -> Answer:
        """One answer. Raises ReadError when there is none, or Vault is sealed."""
        vault = self.settings.vault
        answer = ask(vault, self.folder, self.token, method, path, body, seconds)
        if answer.status == 503:
            raise ReadError(
                f"access.vault.address: is sealed or does not serve (got 503 from {vault.address}, expected an "
                "unsealed Vault). Fix: unseal it"
            )
        return answer

    def log_in(self, role: str, jwt: str) -> None:
        """Become an identity of the cluster. Raises ReadError."""
        answer = self.ask("POST", self.logins, {"role": role, "jwt": jwt})
        if answer.status != 200:
            got = f"got {answer.status}: {said(answer)}"
            raise ReadError(
                f"Vault {self.logins}: refuses JWT role {role} ({got}). Fix: pulumi up, and run it as that account"
            )
        self.token = str(answer.body["auth"]["client_token"])

    @contextmanager
    def leased(self, lease: str) -> Iterator[TakenLease | None]:
        """A lease of its own for the block; None, and a reason, where it may not be taken."""
        taken = None
        try:
            with postponed():
                taken = self._take(lease)
            yield taken
        finally:
            if taken is not None:
                with postponed():
                    self._give_back(taken)

    def _take(self, lease: str) -> TakenLease | None:
        path = f"{self.mount}/creds/{lease}"
        data = self.data(self.ask("GET", path, seconds=REVOKING), path, "read", whole=True)
        if not data:
            return None
        return TakenLease(data["lease_id"], data["data"]["username"], data["data"]["password"])

    def revoke(self, lease_id: str) -> str:
        """End a lease, or a token with all that it took; `revoked`, or why not."""
        try:
            answer = self.ask("PUT", "sys/leases/revoke", {"lease_id": lease_id, "sync": "true"}, REVOKING)
        except ReadError as failed:
            return f"failed: {failed}"
        if answer.status in (200, 204):
            return "revoked"
        needed = policy_line("sys/leases/revoke", "update")
        fix = needed if answer.status == 403 else "see what PostgreSQL's log says, and mend it"
        return f"failed: Vault refused (got {answer.status}: {said(answer)}). Fix: {fix}"

    def leave(self) -> None:
        """End its own token, and with it its leases."""
        self.ask("PUT", "auth/token/revoke-self", {})

    def data(self, answer: Answer, path: str, *needed: str, whole: bool = False) -> Any:
        """`data` of an answer; {} where there is nothing; None, and a reason, where it may not be read."""
        if answer.status == 200:
            return answer.body if whole else answer.body.get("data") or {}
        if answer.status == 404:
            return {}
        fix = policy_line(path, *needed) if answer.status == 403 else "see Vault's own log"
        why = f"Vault {path}: cannot be read (got {answer.status}: {said(answer)}). Fix: {fix}"
        if why not in self.missing:
            self.missing.append(why)
        return None

    @contextmanager
    def identified(self, section: Scheduled, folder: Path) -> Iterator[None]:
        """Be what runs on a schedule, by the token in its folder; it ends with the block. Raises ReadError."""
        identity = scheduled_identity(self.settings, section)
        if identity is None:
            raise ReadError(f"access.{section}: is not declared (expected it with --identity). Fix: add the section")
        try:
            jwt = (folder / VAULT_TOKEN).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ReadError(
                f"--identity: no token (got {error}). Fix: run it in the pod that has the folder"
            ) from error
        before = self.token
        try:
            with postponed():
                self.log_in(jwt_role(self.settings.installation, identity), jwt)
            yield
        finally:
            if self.token != before:
                with postponed():
                    self.leave()

    def _give_back(self, taken: TakenLease) -> None:
        if (ended := self.revoke(taken.id)) != "revoked":
            self.missing.append(f"Vault: its own lease is not given back ({ended}); it ends with its ttl")


def said(answer: Answer) -> str:
    """Vault's reason, in one line."""
    return ", ".join(" ".join(str(one).split()) for one in answer.body.get("errors") or ("no reason",))


def policy_line(path: str, *capabilities: str) -> str:
    """What must stand in a policy for it."""
    words = ", ".join(f'"{one}"' for one in capabilities)
    return f'path "{path}" {{ capabilities = [{words}] }}'
