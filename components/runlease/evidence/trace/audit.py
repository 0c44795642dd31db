"""The audit log of Vault or OpenBao (file device, JSON lines) → leases by login."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any

from runlease.evidence.moments import moment
from runlease.evidence.trace.model import Lease, Read

_HASHED = "hmac-"


@dataclass
class Audit:
    """What was read so far."""

    leases: dict[str, Lease] = field(default_factory=dict)
    """By login."""
    hashed: dict[str, Lease] = field(default_factory=dict)
    """By the hash of the login, where the log has no name."""
    nameless: list[Lease] = field(default_factory=list)
    """Leases without even a hash."""
    begin: datetime | None = None
    """When the first lease was taken."""
    asked: dict[str, datetime] = field(default_factory=dict)
    """When a token asked for a revocation first, by its accessor."""

    def read(self, lines: Iterable[bytes], read: Read) -> bool:
        """Take in the lines of one file; what cannot be read is counted. False for what is no audit log at all."""
        empty = known = True
        for line in lines:
            if empty:
                empty, known = False, b'"request":' in line
            known = known or b'"request":' in line
            creds = b"/creds/" in line
            if not creds and b"revoke" not in line:
                continue
            try:
                entry = json.loads(line[line.index(b"{") :])
                self._take(entry) if creds else self._note_revocation(entry)
                read.records += 1
            except (ValueError, TypeError, AttributeError, KeyError):
                if line.endswith(b"\n"):
                    read.broken += 1
                else:
                    read.cut = True
        return known

    def resolve(self, hashes: Mapping[str, str]) -> int:
        """Give hashed leases their logins: hash → login. How many found theirs."""
        found = [(self.hashed.pop(one), login) for one, login in hashes.items() if one in self.hashed]
        self.leases.update({login: replace(lease, login=login) for lease, login in found})
        return len(found)

    def unknown(self) -> list[Lease]:
        """Leases whose login is not known."""
        return [*self.hashed.values(), *self.nameless]

    def every(self) -> Iterator[Lease]:
        """All leases, those whose login is not known last."""
        return chain(self.leases.values(), self.unknown())

    def _take(self, entry: Mapping[str, Any]) -> None:
        request, response = entry.get("request") or {}, entry.get("response") or {}
        _, found, name = str(request.get("path", "")).partition("/creds/")
        if entry.get("type") != "response" or not found or entry.get("error") or not response.get("secret"):
            return
        if request.get("mount_type", "database") != "database":
            return
        lease = _lease(entry, name)
        self.begin = min(self.begin or lease.taken, lease.taken)
        if not lease.login:
            self.nameless.append(lease)
        elif lease.login.startswith(_HASHED):
            self.hashed[lease.login] = lease
        else:
            self.leases.setdefault(lease.login, lease)

    def _note_revocation(self, entry: Mapping[str, Any]) -> None:
        path = str((entry.get("request") or {}).get("path", ""))
        ends = path.startswith(("sys/leases/revoke", "sys/revoke")) or path == "auth/token/revoke-self"
        accessor = str((entry.get("auth") or {}).get("accessor", ""))
        if entry.get("type") == "response" and ends and accessor and not entry.get("error"):
            self.asked.setdefault(sys.intern(accessor), moment(str(entry["time"])))


def _lease(entry: Mapping[str, Any], name: str) -> Lease:
    auth, response = entry.get("auth") or {}, entry["response"]
    of_token = auth.get("metadata") or {}
    return Lease(
        str((response.get("data") or {}).get("username", "")),
        sys.intern(name),
        str(response["secret"].get("lease_id", "")),
        sys.intern(str(of_token.get("namespace", ""))),
        sys.intern(str(of_token.get("service_account", ""))),
        str(of_token.get("pod", "")),
        str(of_token.get("pod_uid", "")),
        moment(str(entry["time"])),
        sys.intern(str(auth.get("accessor", ""))),
    )
