"""Vault as a run has it: log in with a pod's token, take a lease, and give it back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runlease.access import Identity, Lease
from runlease.config import Settings
from runlease.config.made import creds_path, jwt_role
from runlease.evidence.interruption import postponed
from runlease.evidence.prove.attempts import Outcome
from runlease.evidence.prove.edge_postgres import Credential
from runlease.readers.engine import ask
from runlease.readers.https import Answer

_SECONDS = 30
"""A revocation in sync ends sessions and may wait for their locks."""


@dataclass(frozen=True)
class Held:
    """A lease that was taken, and with which of Vault's tokens."""

    lease: Lease
    identity: Identity
    id: str
    credential: Credential
    token: str = field(repr=False)
    stray: bool = False
    """Whether it was got by a token that must not get it: it goes with that token."""


@dataclass(frozen=True)
class Vault:
    """One Vault, as the settings name it."""

    settings: Settings
    folder: Path
    tokens: list[str] = field(default_factory=list, repr=False)
    """Every token that it gave to us, in order: none may outlive the proof."""

    def log_in(self, identity: Identity, jwt: str) -> tuple[Outcome, str]:
        """Log in to the role of `identity`; how it ended, and Vault's token or nothing."""
        body = {"role": jwt_role(self.settings.installation, identity), "jwt": jwt}
        with postponed():
            answer = self.request("POST", f"auth/{self.settings.jwt_mount}/login", body)
            auth = answer.body.get("auth")
            token = str(auth.get("client_token") or "") if isinstance(auth, dict) else ""
            if token:
                self.tokens.append(token)
        return outcome(answer), token

    def take(self, lease: Lease, identity: Identity, token: str) -> tuple[Outcome, Held | None]:
        """Take a new lease."""
        answer = self.request("GET", creds_path(self.settings.installation, lease.name), token=token)
        data = answer.body.get("data")
        if answer.status != 200 or not isinstance(data, dict):
            return outcome(answer), None
        credential = Credential(str(data["username"]), str(data["password"]))
        return outcome(answer), Held(lease, identity, str(answer.body["lease_id"]), credential, token)

    def revoke(self, held: Held) -> Outcome:
        """Give a lease back: on return it is revoked."""
        return outcome(self.request("PUT", "sys/leases/revoke", {"lease_id": held.id, "sync": "true"}, held.token))

    def forget(self, token: str) -> Outcome:
        """End a token of Vault's, and with it what it took."""
        return outcome(self.request("POST", "auth/token/revoke-self", {}, token))

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = "") -> Answer:
        """One request. Raises ReadError where nobody answers."""
        return ask(self.settings.vault, self.folder, token, method, path, body, _SECONDS)


def outcome(answer: Answer) -> Outcome:
    """Status and errors; a body without errors says nothing here, because it may hold a secret."""
    errors = answer.body.get("errors")
    said = " ".join("; ".join(map(str, errors)).split()) if isinstance(errors, list) else ""
    return Outcome(str(answer.status), said.removeprefix("1 error occurred: * "))
