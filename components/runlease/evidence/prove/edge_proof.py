"""One proof: take the leases, try, give them back. An edge: what is tried comes from pure modules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL

from runlease.access import Access, Public, Server
from runlease.config import DatabaseSettings, Settings, to_access
from runlease.config.made import jwt_role
from runlease.evidence.interruption import postponed
from runlease.evidence.prove.attempts import Attempt, Expected, Omitted, Outcome, Promise, Row
from runlease.evidence.prove.edge_postgres import connected, connected_in_clear, look, session, tried
from runlease.evidence.prove.edge_taken import Taken
from runlease.evidence.prove.edge_vault import Held, Vault, outcome
from runlease.evidence.prove.judge import NO, Answered, judge, judge_answer, omitted
from runlease.evidence.prove.objects import object_attempts
from runlease.evidence.prove.server import clear_attempt, database_attempts, server_attempts
from runlease.evidence.prove.sight import Holder
from runlease.evidence.prove.tokens import Claim, worded
from runlease.evidence.prove.vault_requests import Request, closed, other_leases, revocations
from runlease.evidence.prove.wallet import Wallet
from runlease.readers.session import in_plain_words

Report = Callable[[str], None]


@dataclass(frozen=True)
class Prover:
    """What a proof needs: settings with their folder, tokens, and whether privileges to write are used."""

    settings: Settings
    folder: Path
    wallet: Wallet
    writes: bool = False
    report: Report = lambda _: None

    def prove(self) -> tuple[Row, ...]:
        """The whole matrix. What was taken is given back whatever happens; ReadError where Vault does not answer."""
        access = to_access(self.settings)
        rows = list(self._of_the_wallet(access))
        taken = Taken(Vault(self.settings, self.folder))
        try:
            rows += self._take(access, taken)
            rows += self._try(access, taken)
        finally:
            with postponed():
                self.report(f"giving back {len(taken.held)} leases")
                rows += taken.give_back()
        return tuple(rows)

    def _of_the_wallet(self, access: Access) -> Iterator[Row]:
        known = {binding.identity.subject for binding in access.bindings}
        for subject, problem in self.wallet.problems.items():
            if subject not in known:
                what = f"make a token of {'/'.join(subject.split(':')[2:])}"
                yield omitted(Omitted("tokens", what, problem, True, Promise.IDENTITY))
        for pod in self.wallet.left:
            yield omitted(Omitted("tokens", "delete a pod that was made for them", pod, True, Promise.NOTHING_LEFT))

    def _take(self, access: Access, taken: Taken) -> Iterator[Row]:
        for lease in access.leases:
            bindings = [binding for binding in access.bindings if binding.lease == lease.name]
            if not bindings:
                yield omitted(Omitted(lease.name, "everything", "no identity may obtain it", gap=False))
            for binding in bindings:
                self.report(f"taking {lease.name} as {binding.identity}")
                yield from taken.take(binding, lease, self.wallet)

    def _try(self, access: Access, taken: Taken) -> Iterator[Row]:
        held = tuple(taken.held)
        proven: set[str] = set()
        for one in held:
            if one.lease.name not in proven:
                proven.add(one.lease.name)
                self.report(f"trying {one.lease.name} in PostgreSQL")
                yield from self._in_postgres(access, one)
        # Last, because a lease of ours is what a refusal that does not hold would end.
        ids = {one.lease.name: one.id for one in held}
        for one in held:
            self.report(f"trying {one.lease.name} in Vault")
            yield from self._in_vault(access, taken, one, ids)

    def _in_postgres(self, access: Access, held: Held) -> Iterator[Row]:
        database = self.settings.databases[held.lease.database]
        holder = self._holder(access, held)
        try:
            with session(database, self.folder, held.credential) as opened:
                sight = look(opened)
                for one in (*object_attempts(holder, sight), *server_attempts(holder, sight)):
                    yield omitted(one) if isinstance(one, Omitted) else judge(one, tried(opened, one))
        except psycopg.OperationalError as failed:
            yield self._unconnected(holder, database, str(failed))
            return
        for name, one in database_attempts(holder, sight):
            if isinstance(one, Omitted):
                yield omitted(one)
            else:
                yield judge(one, connected(database, name, self.folder, held.credential))
        in_clear = clear_attempt(holder)
        if isinstance(in_clear, Omitted):
            yield omitted(in_clear)
        else:
            yield judge(in_clear, connected_in_clear(database, held.credential))

    def _unconnected(self, holder: Holder, database: DatabaseSettings, said: str) -> Row:
        what = f"CONNECT ON DATABASE {database.dbname}, and everything in it"
        if "permission denied for database" in said:
            attempt = Attempt(holder.lease.name, what, SQL("SELECT true"), Expected.ALLOWED)
            return judge(attempt, Outcome(NO, " ".join(said.split())))
        leased = database.model_copy(update={"admin": holder.login})
        refusal = in_plain_words(holder.database.key, leased, said)
        return omitted(Omitted(holder.lease.name, what, f"the login cannot connect: {refusal}", gap=True))

    def _holder(self, access: Access, held: Held) -> Holder:
        key = held.lease.database
        return Holder(
            access,
            held.lease,
            next(one for one in access.databases if one.key == key),
            next(one for one in access.roles if (one.database, one.name) == (key, held.lease.role)),
            held.credential.login,
            closed_databases(self.settings, key),
            self.writes,
        )

    def _in_vault(self, access: Access, taken: Taken, held: Held, ids: dict[str, str]) -> Iterator[Row]:
        vault, tokens = taken.vault, self.wallet.of(held.identity)
        for claim in Claim:
            if claim is not Claim.NONE and not tokens.get(claim):
                yield omitted(
                    Omitted(
                        held.lease.name,
                        f"log in with {claim}",
                        f"no such token. Fix: {claim.mend}",
                        gap=True,
                        promise=Promise.IDENTITY,
                    )
                )
            for token in tokens.get(claim, ()) if claim is not Claim.NONE else ():
                ended, _ = vault.log_in(held.identity, token.text)
                asked = Answered(held.lease.name, worded(claim, token), Expected.REFUSED, claim.because)
                yield judge_answer(asked, ended)
        role = jwt_role(self.settings.installation, held.identity)
        for request in closed(access, held.lease, self.settings.jwt_mount, role):
            yield _requested(vault, request, held)
        for other, asked in other_leases(access, held.lease, held.identity):
            yield judge_answer(asked, taken.lease(other, held.identity, held.token, stray=True))
        for request in revocations(access, held.lease, held.identity, ids):
            yield _requested(vault, request, held)


def closed_databases(settings: Settings, key: str) -> frozenset[str]:
    """Other databases of the server in which PUBLIC is declared to have nothing."""
    here = settings.databases[key]
    alike = (one for one in settings.databases.values() if (one.host, one.port) == (here.host, here.port))
    names = {one.dbname for one in alike if one.public is not Public.KEEP}
    if here.server is Server.SELF_MANAGED and here.public is not Public.KEEP:
        names |= set(here.close)
    return frozenset(names - {here.dbname})


def _requested(vault: Vault, request: Request | Omitted, held: Held) -> Row:
    if isinstance(request, Omitted):
        return omitted(request)
    ended = outcome(vault.request(request.method, request.path, request.body, held.token))
    return judge_answer(request.asked, ended)
