"""The broker's ledger lines → the lives of logins."""

import re
from datetime import datetime

from runlease.evidence.trace.model import Finding, Life, Record

_LINE = "runlease ledger: event="
_CALLER = re.compile(r"runlease_[a-z0-9_]+_vault(?:_migrator)?")


class Lives:
    """What the ledger has said so far, by login, in whatever order."""

    def __init__(self) -> None:
        self.by_login: dict[str, Life] = {}
        self.forged: list[Finding] = []
        """Lines that look like the ledger's and are of somebody else; complete once all is settled."""
        self._sweepers: set[str] = set()
        self._claims: list[tuple[dict[str, str], Finding]] = []

    def reads(self, record: Record, wanted: frozenset[str] | None) -> bool:
        """Whether the record is a line of the ledger; it is kept when its login is wanted."""
        if not record.message.startswith(_LINE) or record.severity != "LOG":
            return False
        words = dict(word.split("=", 1) for word in record.message[len(_LINE) - 6 :].split() if "=" in word)
        login = words.get("login", "")
        trusted = bool(_CALLER.fullmatch(record.user)) and words.get("caller") == record.user and not record.ambiguous
        if trusted and (words.get("event"), words.get("profile")) == ("create", "sweeper"):
            self._sweepers.add(login)
        if wanted is not None and not {login, record.user} & wanted:
            return True
        if trusted:
            self._keep(words, record.at)
        else:
            what = f"wrote a line that looks like the ledger's, about {login or 'no login'}: it is not believed"
            claim = words if words.get("caller") == record.user and not record.ambiguous else {}
            self._claims.append((claim, Finding("forged ledger", record.user, what, record.at, record.at)))
        return True

    def settle(self) -> None:
        """Once all is read: a login that Vault made as a sweeper ends others', and is believed about that alone."""
        for words, finding in self._claims:
            if words.get("event") in ("drop", "schema", "reap") and finding.login in self._sweepers:
                self._keep(words, finding.first)
            else:
                self.forged.append(finding)
        self._claims.clear()

    def _keep(self, words: dict[str, str], at: datetime) -> None:
        if not (login := words.get("login", "")) or words.get("event") not in ("create", "drop"):
            return
        life = self.by_login.setdefault(login, Life(login))
        if words["event"] == "create" or not life.made:
            life.oid, life.database = words.get("oid", ""), words.get("database", "")
            life.profile, life.caller = words.get("profile", ""), words.get("caller", "")
        if words["event"] == "create":
            life.made, life.expires = at, words.get("expires", "")
        else:
            life.expires = life.expires or words.get("expires", "")
            # A quarantined login may be dropped by hand later; the first line is the end of its lease.
            if life.dropped is None or at < life.dropped:
                life.dropped, life.outcome = at, words.get("outcome", "")
