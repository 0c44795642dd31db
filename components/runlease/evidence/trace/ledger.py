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
        """Lines that look like the ledger's and are of somebody else."""

    def reads(self, record: Record, wanted: frozenset[str] | None) -> bool:
        """Whether the record is a line of the ledger; it is kept when its login is wanted."""
        if not record.message.startswith(_LINE) or record.severity != "LOG":
            return False
        words = dict(word.split("=", 1) for word in record.message[len(_LINE) - 6 :].split() if "=" in word)
        login = words.get("login", "")
        if wanted is not None and not {login, record.user} & wanted:
            return True
        if not _CALLER.fullmatch(record.user) or words.get("caller") != record.user or record.ambiguous:
            what = f"wrote a line that looks like the ledger's, about {login or 'no login'}: it is not believed"
            self.forged.append(Finding("forged ledger", record.user, what, record.at, record.at))
        elif login:
            self._keep(self.by_login.setdefault(login, Life(login)), words, record.at)
        return True

    def _keep(self, life: Life, words: dict[str, str], at: datetime) -> None:
        life.oid, life.database = words.get("oid", ""), words.get("database", "")
        life.profile, life.caller = words.get("profile", ""), words.get("caller", "")
        if words.get("event") == "create":
            life.made, life.expires = at, words.get("expires", "")
        elif words.get("event") == "drop":
            life.expires = life.expires or words.get("expires", "")
            # A quarantined login may be dropped by hand later; the first line is the end of its lease.
            if life.dropped is None or at < life.dropped:
                life.dropped, life.outcome = at, words.get("outcome", "")
