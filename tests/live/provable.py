"""A site for proofs, with tokens that are right and tokens that are wrong in one thing; and ways to break it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from lab.issuer import LabIssuer
from runlease.config import Settings, load
from runlease.evidence.prove.attempts import Row, Verdict
from runlease.evidence.prove.edge_proof import Prover
from runlease.evidence.prove.tokens import Token
from runlease.evidence.prove.wallet import Wallet
from tests.live.deployment import NAMESPACE, PROFILES, Deployment, settings_of


def named(rows: Iterable[Row], verdict: Verdict) -> set[str]:
    """The attempts with that verdict, with their leases."""
    return {f"{row.lease}: {row.what}" for row in rows if row.verdict is verdict}


@dataclass(frozen=True)
class Provable:
    """A site, and what a proof of it needs."""

    site: Deployment
    folder: Path
    database: Mapping[str, object] = field(default_factory=dict)
    """What the settings of its database say besides."""

    def prove(self, *leases: str, writes: bool = False, wallet: Wallet | None = None) -> tuple[Row, ...]:
        """Prove these leases alone, or all."""
        given = self.wallet(*leases) if wallet is None else wallet
        return Prover(self.settings(*leases), self.folder, given, writes).prove()

    def settings(self, *leases: str) -> Settings:
        """The site's settings as if these were all its leases."""
        return load(self.written(*leases))

    def written(self, *leases: str) -> dict[str, Any]:
        """The same as they stand in a stack file."""
        written = settings_of(self.site, self.folder, **self.database)
        if leases:
            written["leases"] = {name: written["leases"][name] for name in leases}
            written["pipelines"]["run"]["tasks"] = {name: name for name in leases}
        return written

    def wallet(self, *leases: str) -> Wallet:
        """Each account's own tokens, right and wrong."""
        return Wallet(tuple(Token.read(text) for text in self._tokens(leases or PROFILES)))

    def _tokens(self, profiles: tuple[str, ...]) -> Iterator[str]:
        site = self.site
        for profile in profiles:
            yield site.token_of_pod(profile)
            yield site.token_of_pod(profile, "vault")
            yield site.issuer.token(NAMESPACE, f"run-{profile}", site.audience)
            yield expired(site, site.token_of_pod(profile))
        yield site.token_of_pod("verifier")
        site.issuer.create_service_account("elsewhere", "run-reader")
        site.issuer.create_pod("elsewhere", "pod", "run-reader")
        yield site.issuer.token("elsewhere", "run-reader", site.audience, "pod")

    def left(self) -> list[str]:
        """The logins of leases that are there."""
        return self.site.leased_logins()

    # --- ways to break it, undone at the end

    @contextmanager
    def sql(self, wrong: str, right: str) -> Iterator[None]:
        """Statements by the superuser, and those that mend them."""
        with self.site.as_superuser() as session:
            session.execute(self._named(wrong))
            try:
                yield
            finally:
                session.execute(self._named(right))

    @contextmanager
    def vault(self, path: str, **wrong: object) -> Iterator[None]:
        """Other values at a path of Vault's; `{}` is the installation."""
        bao, at = self.site.openbao, "/" + path.replace("{}", self.site.installation)
        before = bao.request("GET", at, token=bao.root_token)["data"]
        bao.request("POST", at, {**before, **wrong}, bao.root_token)
        try:
            yield
        finally:
            bao.request("POST", at, before, bao.root_token)

    @contextmanager
    def policy(self, more: str, without: str = "\0") -> Iterator[None]:
        """A reader's policy with another path in it, or without something."""
        bao, at = self.site.openbao, f"/sys/policies/acl/{self.site.installation}.reader"
        before = bao.request("GET", at, token=bao.root_token)["data"]["policy"]
        added = more.replace("{}", self.site.installation)
        bao.request("PUT", at, {"policy": before.replace(without, "") + added}, bao.root_token)
        try:
            yield
        finally:
            bao.request("PUT", at, {"policy": before}, bao.root_token)

    def _named(self, text: str) -> bytes:
        return text.replace("{}", self.site.key).encode()


def expired(site: Deployment, token: str) -> str:
    """The same token, with an end a second ago, signed by its issuer."""
    issuer = site.issuer
    assert isinstance(issuer, LabIssuer)
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**claims, "exp": int(time.time()) - 1}, issuer._key, "RS256")
