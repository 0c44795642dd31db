"""All logs read once, and the answer made: the audit log first, because it says which logins are asked for."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from runlease.evidence.trace.answer import Answer, Question, Sources
from runlease.evidence.trace.audit import Audit
from runlease.evidence.trace.creations import Creations
from runlease.evidence.trace.files import opened
from runlease.evidence.trace.ledger import Lives
from runlease.evidence.trace.model import Event, Finding, Kind, Lease, Owner, Read, Record
from runlease.evidence.trace.postgres_formats import CsvLog, Format, JsonLog
from runlease.evidence.trace.postgres_prefix import PrefixLog
from runlease.evidence.trace.scan import entries, format_of
from runlease.evidence.trace.sessions import Sessions, contradictions, unexplained, unused
from runlease.evidence.trace.skew import skew, skewed
from runlease.evidence.trace.spool import Spool
from runlease.evidence.trace.statements import events
from runlease.evidence.trace.values import hidden, hidden_message, without_secrets
from runlease.evidence.trace.wanted import asks_for
from runlease.readers.error import ReadError

_LOGIN = "run_"


def trace(question: Question, sources: Sources) -> Answer:
    """Answer; the caller closes it. Raises ReadError for what cannot be read at all."""
    reading = _Reading(question, sources)
    try:
        reading.audit_logs()
        reading.api_audit_logs()
        reading.ask_for_run()
        reading.postgres_logs()
        return reading.answer()
    except BaseException:
        reading.spool.close()
        raise


class _Reading:
    def __init__(self, question: Question, sources: Sources) -> None:
        self.question, self.sources = question, sources
        self.audit, self.creations = Audit(), Creations()
        self.lives, self.sessions, self.spool = Lives(), Sessions(), Spool()
        self.reads: list[Read] = []
        self.partial: list[str] = []
        self.notes: list[str] = []
        self.found: dict[str, int] = {}
        self.used: set[str] = set()
        self.wanted: frozenset[str] | None = None
        """Logins that are asked for; None: all."""
        self.span: tuple[datetime, datetime] | None = None
        self.ambiguous: dict[str, Finding] = {}
        clock = sources.clock
        self.formats: list[Format] = [CsvLog(clock), JsonLog(clock), PrefixLog.of(sources.prefix, clock)]

    @property
    def _selective(self) -> bool:
        return bool(self.question.statement or self.question.table)

    # --- Vault

    def audit_logs(self) -> None:
        expected = "JSON lines with time, type, auth and request"
        fix = "name the file of Vault's audit device of type file"
        self._audit_log("audit log", self.sources.audit, self.audit.read, expected, fix)
        if not self.sources.audit:
            self.partial.append("no audit log was given (--audit-log), so no login is joined to a pod")
        if self.audit.unknown():
            self._unhash()

    def _unhash(self) -> None:
        if self.sources.resolve is not None and self.audit.hashed:
            self.audit.resolve(self.sources.resolve(sorted(self._logins_in_logs())))
        elif not self.audit.leases:
            raise ReadError(
                "audit log: its leases have no usernames (got a hash or nothing, expected run_…). Fix: for what is to "
                "come, bao secrets tune -audit-non-hmac-response-keys=username <mount>/ ; for what is there, export "
                "VAULT_ADDR and VAULT_TOKEN with update on sys/audit-hash/<device>, and name the --audit-device"
            )

    def _logins_in_logs(self) -> set[str]:
        seen, lives = set(), Lives()
        for _, records in self._files():
            for record in records:
                if not lives.reads(record, None) and record.user.startswith(_LOGIN):
                    seen.add(record.user)
        return seen | lives.by_login.keys()

    # --- Kubernetes

    def api_audit_logs(self) -> None:
        self.creations = Creations(self.audit.every(), self.sources.controller)
        fix = "name what kube-apiserver wrote to its --audit-log-path"
        kind = "audit log of the API server"
        self._audit_log(kind, self.sources.api_audit, self.creations.read, "JSON lines of audit.k8s.io/v1", fix)

    def _audit_log(
        self, kind: str, paths: Iterable[Path], take: Callable[[Iterable[bytes], Read], bool], expected: str, fix: str
    ) -> None:
        for path in paths:
            with opened(path, self.sources.advanced) as file:
                read = Read(str(path), kind)
                known = take(file.lines(), read)
                read.cut |= file.cut
                self.reads.append(read)
                if not known:
                    raise ReadError(f"{path}: is no {kind} (got other lines, expected {expected}). Fix: {fix}")

    def ask_for_run(self) -> None:
        if not self.question.run:
            self._note_unknown("of the audit log", len(self.audit.unknown()))
            return
        joined = self.sources.owners.known or self.creations.known
        found, others = list[Lease](), 0
        for lease in self.audit.every():
            owner = self._owner(lease)
            if self._is_asked_for(lease, owner, by_name=not joined):
                found.append(lease)
            elif owner.doubt and not (owner.pipeline_run or owner.forged):
                others += 1
        if not joined:
            self.partial.append(
                "Kubernetes was not asked (--kubernetes or --api-audit-log): pods are found by their names, which "
                "whoever makes a TaskRun chooses"
            )
        elif others:
            self.notes.append(f"of {others} other leases the run is not known: ask for them by pod, or name more logs")
        self.wanted = frozenset(lease.login for lease in found) & self.audit.leases.keys()
        self._note_unknown("of this run", sum(lease.login not in self.wanted for lease in found))

    def _is_asked_for(self, lease: Lease, owner: Owner, *, by_name: bool) -> bool:
        asked = self.question.run
        names = {owner.pipeline_run, owner.task_run, lease.pod, lease.pod_uid, lease.pod.removesuffix("-pod")}
        return asked in names or (by_name and lease.pod.startswith(f"{asked}-"))

    def _note_unknown(self, whose: str, count: int) -> None:
        if count:
            self.partial.append(f"{count} leases {whose} have no username, or the hash of none in these logs")

    def _owner(self, lease: Lease) -> Owner:
        return self.creations.of(lease, self.sources.owners.of(lease))

    # --- PostgreSQL

    def postgres_logs(self) -> None:
        shown, told = (without_secrets, without_secrets) if self.question.values else (hidden, hidden_message)
        if self.question.unattributed:  # no statement is told
            shown = told = lambda _: ""
        matches = asks_for(self.question.statement, self.question.table)
        for read, records in self._files():
            for event, asked in events(self._of_logins(records), shown, told, matches):
                self._keep(event, asked)
            self.reads.append(read)
        self.lives.settle()

    def _files(self) -> Iterator[tuple[Read, Iterator[Record]]]:
        for path in self.sources.postgres:
            with opened(path, self.sources.advanced) as file:
                begin = file.piece()
                form = format_of(begin, self.formats, str(path))
                read = Read(str(path), form.name if form else "empty")
                yield read, form.records(entries(begin, file, form, read, self.wanted), read) if form else iter(())
                read.cut |= file.cut

    def _of_logins(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if self.lives.reads(record, self.wanted) or not record.user.startswith(_LOGIN):
                continue
            if self.span is None or not self.span[0] <= record.at <= self.span[1]:
                first, last = self.span or (record.at, record.at)
                self.span = min(first, record.at), max(last, record.at)
            if self.wanted is None or record.user in self.wanted:
                if record.ambiguous:
                    self._note_ambiguous(record)
                yield record

    def _note_ambiguous(self, record: Record) -> None:
        what = "a line has two readings: the application_name or the statement looks like the log's own prefix"
        finding = Finding("ambiguous line", record.user, what, record.at, record.at)
        self.ambiguous.setdefault(record.user, finding)

    def _keep(self, event: Event, asked: bool) -> None:
        if not self._in_period(event.at):
            return
        self.sessions.see(event)
        if self.question.unattributed or (self._selective and not (asked or _touches(event, self.question.table))):
            return
        self.used.add(event.login)
        self.found[event.kind] = self.found.get(event.kind, 0) + 1
        self.spool.put(event)

    def _in_period(self, at: datetime) -> bool:
        since, until = self.question.since, self.question.until
        return (since is None or at >= since) and (until is None or at < until)

    # --- both

    def answer(self) -> Answer:
        leases, lives = self.audit.leases, self.lives.by_login
        kept = self.used if self.wanted is None else self.wanted
        chosen = sorted((leases[login] for login in kept if login in leases), key=lambda one: (one.taken, one.login))
        findings = sorted(self._findings_asked_for(), key=lambda one: (one.first, one.login, one.kind))
        begin = self.audit.begin
        if begin and any(one.kind == "no lease" and one.first < begin for one in findings):
            self.partial.append(
                f"the first lease of the audit log is of {begin:%Y-%m-%dT%H:%M:%SZ}: name older logs too"
            )
        broken = [f"{one.name}: {one.broken} broken entries were passed over" for one in self.reads if one.broken]
        cut = [f"{one.name}: ends in the middle of an entry" for one in self.reads if one.cut]
        return Answer(
            question=self.question,
            leases={lease.login: lease for lease in chosen},
            lives=lives,
            asked=self.audit.asked,
            owner_of=self._owner,
            spool=self.spool,
            found=self.found,
            findings=findings,
            reads=self.reads,
            span=self.span,
            partial=[*self.partial, *broken],
            notes=[*self.notes, *skewed(skew(leases, lives)), *cut],
        )

    def _findings_asked_for(self) -> Iterator[Finding]:
        """Who asks for statements is told of their logins alone."""
        return (one for one in self._findings() if not self._selective or one.login in self.used)

    def _findings(self) -> Iterator[Finding]:
        leases, lives = self.audit.leases, self.lives.by_login
        sessions = list(self.sessions)
        if self.sources.audit:
            yield from unexplained(sessions, leases, lives)
        if self.question.unattributed and self.sources.audit:
            made = unused(lives.values(), leases, frozenset(one.login for one in sessions))
            yield from (one for one in made if self._in_period(one.first))
        runs = self.sources.owners.all_names() | self.creations.names()
        yield from contradictions(sessions, leases, self._own_names, runs)
        yield from self._forged_owners()
        yield from self.ambiguous.values()
        yield from (one for one in self.lives.forged if self._in_period(one.first))

    def _own_names(self, lease: Lease) -> frozenset[str]:
        """What a session of this lease's pod may call itself."""
        owner = self._owner(lease)
        return frozenset(filter(None, (lease.pod, owner.task_run, owner.pipeline_run)))

    def _forged_owners(self) -> Iterator[Finding]:
        for login, lease in self.audit.leases.items():
            asked = (self.wanted is None or login in self.wanted) and self._in_period(lease.taken)
            if asked and (owner := self._owner(lease)).forged:
                what = f"lease {lease.lease} was taken by pod {lease.pod}: {owner.doubt}"
                yield Finding("forged owner", login, what, lease.taken, lease.taken)


def _touches(event: Event, table: str) -> bool:
    """Whether pgaudit says that it was this table."""
    if not table or event.kind is not Kind.AUDIT:
        return False
    return event.table == table or event.table.rpartition(".")[2] == table
