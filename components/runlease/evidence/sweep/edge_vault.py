"""Vault or OpenBao as a sweep asks it: leases, tokens of runs, irrevocable leases, entities; and their revocation."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runlease.config import Settings
from runlease.config.made import database_mount, policy_name
from runlease.evidence.moments import moment
from runlease.evidence.sweep.edge_cluster import Pods
from runlease.evidence.sweep.facts import EngineFacts, HeldLease, Holder, Irrevocable, RunToken
from runlease.readers.engine import ask
from runlease.readers.error import ReadError
from runlease.readers.https import SECONDS, Answer

REVOKING = 60.0
"""Seconds to wait for a revocation: Vault waits for PostgreSQL, which may wait for a lock."""


@dataclass(frozen=True)
class TakenLease:
    """A lease that the sweep holds itself."""

    id: str
    login: str
    password: str = field(repr=False)


@dataclass
class SweptVault:
    """One Vault with the sweep's token."""

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
                f"access.vault.address: is sealed or does not serve (got 503 from {vault.address}). Fix: unseal it"
            )
        return answer

    def log_in(self, role: str, jwt: str) -> None:
        """Become an identity of the cluster. Raises ReadError."""
        answer = self.ask("POST", self.logins, {"role": role, "jwt": jwt})
        if answer.status != 200:
            got = f"got {answer.status}: {_said(answer)}"
            raise ReadError(f"Vault {self.logins}: refuses JWT role {role} ({got}). Fix: see docs/sweep.md")
        self.token = str(answer.body["auth"]["client_token"])

    def ahead(self) -> timedelta:
        """How far its clock is before ours. It tells whole seconds, and the next one is meant: nothing is then in the
        future, and what is looked at is a second older at most.
        """
        asked = datetime.now(UTC)
        told = self.ask("GET", "sys/health").body.get("server_time_utc")
        return datetime.fromtimestamp(told + 1, UTC) - asked if isinstance(told, int) else timedelta()

    def take(self, lease: str) -> TakenLease | None:
        """A lease for the sweep itself."""
        path = f"{self.mount}/creds/{lease}"
        data = self._data(self.ask("GET", path, seconds=REVOKING), path, "read", whole=True)
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
        needed = f"{_line('sys/leases/revoke', 'update')}, with lease_id as in docs/sweep.md"
        fix = needed if answer.status == 403 else "see what PostgreSQL's log says, and mend it"
        return f"failed: Vault refused (got {answer.status}: {_said(answer)}). Fix: {fix}"

    def leave(self) -> None:
        """End the sweep's own token, and with it its leases."""
        self.ask("PUT", "auth/token/revoke-self", {})

    def facts(self, pods: Pods, ahead: timedelta, own: Iterable[str], *, with_leases: bool) -> EngineFacts:
        """What it knows now. Pods are asked for after tokens: a pod that comes later has none of these.

        Each lease costs a question, so they are read `with_leases` alone: where there is a login to compare.
        """
        leases = self._leases(ahead) if with_leases else None
        if leases is not None and (unlisted := set(own) - {one.id for one in leases}):
            self.missing.append(
                f"Vault {self.mount}: does not list the sweep's own lease (got {len(unlisted)} unlisted), so no login "
                "is compared with its leases. Fix: see that this is the Vault that issues them"
            )
            leases = None
        said = self._all_tokens()
        tokens = holders = None
        if said is not None:
            holders = tuple(holder for one in said for holder in self._holders(one, ahead))
            leases = leases and self._still_there(leases, holders)
            ours = [one for one in said if one.get("path") == self.logins and self._is_ours(one.get("meta") or {})]
            judged = (self._token(one, ahead) for one in ours)
            tokens = self._as_leases(
                tuple(replace(one, pod_lives=pods.lives(one.namespace, one.pod, one.pod_uid)) for one in judged)
            )
        return EngineFacts(leases, tokens, holders, self._irrevocable(), self._entities())

    def _data(self, answer: Answer, path: str, *needed: str, whole: bool = False) -> Any:
        """`data` of an answer; {} where there is nothing; None, and a reason, where it may not be read."""
        if answer.status == 200:
            return answer.body if whole else answer.body.get("data") or {}
        if answer.status == 404:
            return {}
        fix = _line(path, *needed) if answer.status == 403 else "see Vault's own log"
        why = f"Vault {path}: cannot be read (got {answer.status}: {_said(answer)}). Fix: {fix}"
        if why not in self.missing:
            self.missing.append(why)
        return None

    def _list(self, path: str, *needed: str) -> Any:
        return self._data(self.ask("GET", f"{path}?list=true"), path, *needed)

    def _below(self, path: str, ahead: timedelta) -> Iterator[HeldLease] | None:
        """The leases directly below a path, each looked up; None where one of them may not be."""
        listed = self._list(f"sys/leases/lookup/{path}/", "list", "sudo")
        if listed is None:
            return None
        found = []
        for key in (key for key in listed.get("keys") or () if not key.endswith("/")):
            said = self._lookup("sys/leases/lookup", {"lease_id": f"{path}/{key}"})
            if said is None:
                return None
            if said:
                found.append(_held(said, path, ahead))
        return iter(found)

    def _lookup(self, path: str, body: Mapping[str, Any]) -> Any:
        """What stands behind an id; {} where it has gone since it was listed."""
        return self._known(self.ask("POST", path, body), path)

    def _known(self, answer: Answer, path: str) -> Any:
        said = str(answer.body.get("errors"))
        if answer.status in (400, 403, 404) and ("invalid lease" in said or "invalid accessor" in said):
            return {}
        return self._data(answer, path, "update")

    def _leases(self, ahead: timedelta) -> tuple[HeldLease, ...] | None:
        listed = self._list(f"sys/leases/lookup/{self.mount}/creds/", "list", "sudo")
        if listed is None:
            return None
        found: list[HeldLease] = []
        for name in listed.get("keys") or ():
            below = self._below(f"{self.mount}/creds/{name.rstrip('/')}", ahead)
            if below is None:
                return None
            found += below
        return tuple(found)

    def _all_tokens(self) -> list[Mapping[str, Any]] | None:
        """What Vault says of every token that has an accessor."""
        listed = self._list("auth/token/accessors/", "list", "sudo")
        if listed is None:
            return None
        found, refused = list[Mapping[str, Any]](), list[Answer]()
        path = "auth/token/lookup-accessor"
        for accessor in listed.get("keys") or ():
            answer = self.ask("POST", path, {"accessor": accessor})
            if answer.status == 403:
                refused.append(answer)
                continue
            said = self._known(answer, path)
            if said is None:
                return None
            found += [said] if said else []
        if refused and not found:
            self._data(refused[0], path, "update")
            return None
        # Its own token is among those found, so it may look: a refusal means an accessor whose token has gone.
        return found

    def _still_there(self, leases: tuple[HeldLease, ...], holders: tuple[Holder, ...]) -> tuple[HeldLease, ...]:
        """Without those that have ended with their token since they were listed: such a token is no longer there."""
        first: dict[str, datetime] = {}
        for holder in holders:
            first[holder.lease] = min(holder.issued, first.get(holder.lease, holder.issued))
        gone = {
            one.id
            for one in leases
            if not (one.name in first and first[one.name] <= one.issued)
            and self._lookup("sys/leases/lookup", {"lease_id": one.id}) == {}
        }
        return tuple(one for one in leases if one.id not in gone)

    def _leases_of(self, said: Mapping[str, Any]) -> tuple[str, ...]:
        prefix, policies = policy_name(self.settings.installation, ""), said.get("policies") or ()
        return tuple(sorted(one.removeprefix(prefix) for one in policies if one.startswith(prefix)))

    def _holders(self, said: Mapping[str, Any], ahead: timedelta) -> Iterator[Holder]:
        made = datetime.fromtimestamp(int(said.get("creation_time") or 0), UTC) - ahead
        return (Holder(lease, made) for lease in self._leases_of(said))

    def _is_ours(self, meta: Mapping[str, str]) -> bool:
        """Vault takes both from the token that the API server signed, by way of a JWT role of the installation."""
        role = f"{self.settings.installation}.{meta.get('namespace')}.{meta.get('service_account')}"
        return meta.get("role") == role and bool(meta.get("pod_uid"))

    def _token(self, said: Mapping[str, Any], ahead: timedelta) -> RunToken:
        meta, leases = said["meta"], self._leases_of(said)
        issued = moment(said["issue_time"]) - ahead
        # Its lease id is not said here: see _as_leases. Until then the exact time of its issue stands for it.
        return RunToken(
            said["issue_time"], leases, meta["namespace"], meta["service_account"], meta["pod"], meta["pod_uid"], issued
        )

    def _as_leases(self, tokens: tuple[RunToken, ...]) -> tuple[RunToken, ...] | None:
        """Tokens of dead pods by their lease ids: token and lease have one issue time, to the nanosecond."""
        dead = {one.lease_id for one in tokens if one.pod_lives is False}
        ids: dict[str, list[str]] = {}
        if dead:
            listed = self._list(f"sys/leases/lookup/{self.logins}/", "list", "sudo")
            if listed is None:
                return None
            for key in listed.get("keys") or ():
                lease_id = f"{self.logins}/{key}"
                said = self._lookup("sys/leases/lookup", {"lease_id": lease_id})
                if said is None:
                    return None
                ids.setdefault(str(said.get("issue_time")), []).append(lease_id)
        named = (replace(one, lease_id=ids[one.lease_id][0]) for one in tokens if len(ids.get(one.lease_id, ())) == 1)
        return (*(one for one in tokens if one.lease_id not in dead), *(one for one in named if one.pod_lives is False))

    def _irrevocable(self) -> tuple[Irrevocable, ...] | None:
        said = self._data(self.ask("GET", "sys/leases?type=irrevocable"), "sys/leases", "read", "sudo")
        if said is None:
            return None
        ours = (f"{self.mount}/creds/", f"{self.logins}/")
        found = [one for one in said.get("leases") or () if str(one.get("lease_id", "")).startswith(ours)]
        return tuple(Irrevocable(str(one["lease_id"]), str(one.get("error", ""))) for one in found)

    def _entities(self) -> tuple[str, ...] | None:
        listed = self._list("identity/entity-alias/id/", "list")
        if listed is None:
            return None
        mount = self.logins.removesuffix("login")
        aliases = (listed.get("key_info") or {}).values()
        return tuple(sorted(str(one["name"]) for one in aliases if one.get("mount_path") == mount))


def _said(answer: Answer) -> str:
    return ", ".join(" ".join(str(one).split()) for one in answer.body.get("errors") or ("no reason",))


def _line(path: str, *capabilities: str) -> str:
    words = ", ".join(f'"{one}"' for one in capabilities)
    return f'path "{path}" {{ capabilities = [{words}] }}'


def _held(said: Mapping[str, Any], path: str, ahead: timedelta) -> HeldLease:
    expires = said.get("expire_time")
    end = moment(expires) - ahead if expires else None
    return HeldLease(str(said["id"]), path.rsplit("/", 1)[-1], moment(said["issue_time"]) - ahead, end)


def pause(seconds: float) -> None:
    """Let Vault work off what it was told to revoke: for a token it answers before its leases are gone."""
    time.sleep(seconds)
