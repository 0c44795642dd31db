"""A whole sweep: read the three systems, compare, and with `apply` end what is left, until nothing more is found."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from runlease.access import PROFILES
from runlease.config import Settings, to_access
from runlease.config.made import own_role
from runlease.evidence.sweep.edge_cluster import Pods
from runlease.evidence.sweep.edge_postgres import SweptDatabase, swept
from runlease.evidence.sweep.edge_vault import SweptVault, pause
from runlease.evidence.sweep.facts import DatabaseFacts, Declared
from runlease.evidence.sweep.remnants import Kind, Remnant, remnants, to_compare
from runlease.evidence.sweep.swept import Swept, Told
from runlease.readers.api_server import as_pod, by_kubectl
from runlease.readers.error import ReadError
from runlease.readers.session import in_plain_words

_ROUNDS = 6
"""What ends a token's leases is Vault, a moment later: what it left is found by looking again."""


@dataclass(frozen=True)
class Sweep:
    """What is swept, and how."""

    settings: Settings
    folder: Path
    """Where the settings' paths begin."""
    environment: Mapping[str, str]
    older_than: timedelta
    apply: bool = False
    identity: Path | None = None
    """Folder of a LeaseSweeper's tokens; None for a person, with VAULT_TOKEN and kubectl."""

    def run(self) -> Swept:
        """Do it. What cannot be read is a reason why the answer is partial."""
        missing: list[str] = []
        told: dict[tuple[str, str], Told] = {}
        try:
            with self._vault(missing) as vault, ExitStack() as opened:
                self._rounds(vault, list(self._databases(vault, opened, missing)), missing, told)
        except ReadError as failed:
            missing.append(str(failed))
        return Swept(tuple(told.values()), tuple(dict.fromkeys(missing)), self.apply)

    def _rounds(
        self,
        vault: SweptVault,
        databases: list[SweptDatabase],
        missing: list[str],
        told: dict[tuple[str, str], Told],
    ) -> None:
        """Look, and end what is found; what was tried is not tried again in the same sweep."""
        for _ in range(_ROUNDS if self.apply else 1):
            left = {(one.where, one.subject): one for one in self._look(vault, databases, missing)}
            due = {key: one for key, one in left.items() if self.apply and one.kind.is_ended and key not in told}
            for key, one in due.items():
                told[key] = Told(one, self._end(one, vault, databases))
            if not due:
                break
            if any(one.kind is Kind.LEASE_WITHOUT_POD for one in due.values()):
                pause(1)
        for key, one in left.items():
            told.setdefault(key, Told(one))

    def _look(self, vault: SweptVault, databases: list[SweptDatabase], missing: list[str]) -> tuple[Remnant, ...]:
        """Logins first, then leases, then pods: what comes in between is never taken for something that is left."""
        ahead, pods = vault.ahead(), self._pods()
        seen = {one.key: facts for one in databases if (facts := _asked(one, ahead, missing))}
        old = datetime.now(UTC) - self.older_than
        comparing = any(to_compare(facts, old) for facts in seen.values())
        engine = vault.facts(pods, ahead, [one.lease.id for one in databases], with_leases=comparing)
        missing += pods.missing
        # Once more: a login that has gone with its lease in the meantime was no remnant.
        again = {one.key: facts for one in databases if (facts := _asked(one, ahead, missing))}
        both = []
        for key in seen.keys() & again.keys():
            names = {login.name for login in seen[key].logins}
            both.append(replace(again[key], logins=tuple(one for one in again[key].logins if one.name in names)))
        return remnants(both, engine, declared(self.settings), old)

    def _end(self, remnant: Remnant, vault: SweptVault, databases: list[SweptDatabase]) -> str:
        if remnant.where == "Vault":
            return vault.revoke(remnant.subject)
        database = next(one for one in databases if remnant.where == f"database {one.key}")
        if remnant.kind is Kind.SESSION_WITHOUT_ROLE:
            return database.reap(int(remnant.subject.removeprefix("pid ")))
        return database.drop(remnant.subject)

    @contextmanager
    def _vault(self, missing: list[str]) -> Iterator[SweptVault]:
        """Vault as whoever runs this. A token that the sweep got itself is ended with it."""
        vault = SweptVault(self.settings, self.folder, self.environment.get("VAULT_TOKEN", ""), missing)
        if self.identity is None:
            yield vault
            return
        with vault.identified("sweeper", self.identity):
            yield vault

    def _databases(self, vault: SweptVault, opened: ExitStack, missing: list[str]) -> Iterator[SweptDatabase]:
        """A session in each database that a lease of the profile sweeper is for."""
        for key, database in self.settings.databases.items():
            lease = _lease_of(self.settings, key)
            if lease is None:
                missing.append(
                    f"access.databases.{key}: is not swept (got no lease of the profile sweeper). Fix: docs/sweep.md "
                    "has the lines of the settings"
                )
                continue
            taken = opened.enter_context(vault.leased(lease))
            if taken is None:
                continue
            makers = (own_role(key, "vault"), own_role(key, "vault_migrator"))
            try:
                yield opened.enter_context(swept(key, database, self.folder, taken, makers))
            except psycopg.OperationalError as failed:
                missing.append(str(in_plain_words(key, database, str(failed))))

    def _pods(self) -> Pods:
        cluster = self.settings.cluster
        if self.identity is not None:
            return Pods(as_pod(self.identity, self.environment), cluster.issuer)
        return Pods(by_kubectl(cluster.context, self.environment), cluster.issuer)


def declared(settings: Settings) -> Declared:
    """What the comparison needs of the settings."""
    access = to_access(settings)
    return Declared(
        leases={lease.name: (lease.database, str(lease.profile)) for lease in access.leases},
        sweeping=frozenset(lease.name for lease in access.leases if lease.profile and PROFILES[lease.profile].calls),
        subjects=frozenset(binding.identity.subject for binding in access.bindings),
        namespaces=frozenset(binding.identity.namespace for binding in access.bindings),
    )


def _lease_of(settings: Settings, key: str) -> str | None:
    leases = [name for name, one in settings.leases.items() if one.database == key and PROFILES[one.profile].calls]
    chosen = [name for name in leases if settings.sweeper and name in settings.sweeper.leases]
    return next(iter(chosen or leases), None)


def _asked(database: SweptDatabase, ahead: timedelta, missing: list[str]) -> DatabaseFacts | None:
    try:
        return database.facts(ahead)
    except psycopg.Error as failed:
        missing.append(f"database {database.key}: is not read (got {' '.join(str(failed).split())}). Fix: run it again")
        return None
