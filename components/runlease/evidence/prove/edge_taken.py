"""Leases that a proof takes, and gives back whatever happens. An edge: it talks to Vault and PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.sql import SQL

from runlease.access import Binding, Identity, Lease
from runlease.config import DatabaseSettings
from runlease.evidence.interruption import postponed
from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted, Outcome, Promise, Row
from runlease.evidence.prove.edge_postgres import gone, open_session, remains
from runlease.evidence.prove.edge_vault import Held, Vault
from runlease.evidence.prove.judge import DONE, NO, Answered, judge, judge_answer, omitted
from runlease.evidence.prove.wallet import Wallet
from runlease.readers.error import ReadError

_SECONDS = 10
"""How long a lease may still open something after its token was revoked, which Vault does on the side."""


@dataclass
class Taken:
    """What was taken so far, in order."""

    vault: Vault
    held: list[Held] = field(default_factory=list)

    def take(self, binding: Binding, lease: Lease, wallet: Wallet) -> Iterator[Row]:
        """Take the lease of one identity; what it shows, or why it could not be tried."""
        identity, token = binding.identity, wallet.own(binding.identity)
        if token is None:
            reason = wallet.why_none(identity)
            yield omitted(Omitted(lease.name, f"everything, as {identity}", reason, True, Promise.PROFILE))
            yield omitted(Omitted(lease.name, f"every refusal, as {identity}", reason, True, Promise.IDENTITY))
            return
        ended, vault_token = self.vault.log_in(identity, token.text)
        yield judge_answer(Answered(lease.name, f"log in as {identity}", Expected.ALLOWED), ended)
        if not vault_token:
            return
        asked = Answered(lease.name, f"take the lease as {identity}", Expected.ALLOWED)
        yield judge_answer(asked, self.lease(lease, identity, vault_token))

    def lease(self, lease: Lease, identity: Identity, token: str, *, stray: bool = False) -> Outcome:
        """Ask Vault for a lease with a token of its; how it ended. What comes is held before anything interrupts."""
        with postponed():
            ended, held = self.vault.take(lease, identity, token)
            if held is not None:
                # A stray one is given back last, because its token ends with it.
                self.held.insert(0 if stray else len(self.held), replace(held, stray=stray))
        return ended

    def give_back(self) -> list[Row]:
        """Give everything back, the last first; a lease that cannot be given back does not keep the others."""
        rows: list[Row] = []
        witnesses = self._witnesses()
        for held in reversed(self.held):
            try:
                rows += self._give_back(held, witnesses)
            except ReadError as failed:
                reason = f"Vault does not answer ({failed}); the login ends with its lease, {held.lease.ttl} at most"
                rows.append(omitted(Omitted(held.lease.name, "give it back", reason, True, Promise.NOTHING_LEFT)))
        for witness in witnesses.values():
            with suppress(psycopg.Error):
                witness.close()
        for token in self.vault.tokens:
            with suppress(ReadError):
                self.vault.forget(token)
        return rows

    def _give_back(self, held: Held, witnesses: dict[str, psycopg.Connection[Any]]) -> Iterator[Row]:
        database, own = self._database(held), self._session(held)
        asked = Answered(held.lease.name, "give it back", Expected.ALLOWED, promise=Promise.NOTHING_LEFT)
        revoked = False
        if not held.stray:
            ended = self.vault.revoke(held)
            revoked = ended.state.startswith("2")
            yield judge_answer(asked, ended)
        if not revoked:
            self.vault.forget(held.token)
        ended = self._gone(database, held, 0 if revoked else _SECONDS)
        yield _shown(held, "log in with its password, after it", ended, How.TRIED)
        if own is not None:
            yield _shown(held, "use its open session, after it", _used(own), How.TRIED)
        witness = witnesses.get(_server(database))
        if witness is not None and witness.info.user != held.credential.login:
            left = remains(witness, held.credential.login)
            yield _shown(held, "find a login, session or schema of its name, after it", left, How.ASKED)

    def _witnesses(self) -> dict[str, psycopg.Connection[Any]]:
        """A session on each server, with the lease that is given back last: it sees that the others are gone."""
        found: dict[str, psycopg.Connection[Any]] = {}
        for held in self.held:
            server = _server(self._database(held))
            if server not in found and (opened := self._session(held)) is not None:
                found[server] = opened
        return found

    def _session(self, held: Held) -> psycopg.Connection[Any] | None:
        database = self._database(held)
        try:
            opened = open_session(database, database.dbname, self.vault.folder, held.credential)
        except psycopg.OperationalError:
            return None
        opened.autocommit = True
        return opened

    def _gone(self, database: DatabaseSettings, held: Held, seconds: float) -> Outcome:
        end = time.monotonic() + seconds
        while (ended := gone(database, self.vault.folder, held.credential)).state == DONE and time.monotonic() < end:
            time.sleep(0.2)
        return ended

    def _database(self, held: Held) -> DatabaseSettings:
        return self.vault.settings.databases[held.lease.database]


def _server(database: DatabaseSettings) -> str:
    return f"{database.host}:{database.port}"


def _used(opened: psycopg.Connection[Any]) -> Outcome:
    try:
        with opened:
            opened.execute("SELECT 1")
    except psycopg.Error as error:
        return Outcome(NO, " ".join(str(error).split()))
    return Outcome(DONE)


def _shown(held: Held, what: str, outcome: Outcome, how: How) -> Row:
    attempt = Attempt(held.lease.name, what, SQL(""), Expected.REFUSED, how, promise=Promise.NOTHING_LEFT)
    return judge(attempt, outcome)
