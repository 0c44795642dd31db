"""Vault or OpenBao as a sweep asks it: leases, tokens of runs, irrevocable leases, entities; and their revocation."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runlease.config.made import policy_name
from runlease.evidence.edge_leases import LeasingVault
from runlease.evidence.moments import moment
from runlease.evidence.sweep.edge_cluster import Pods
from runlease.evidence.sweep.facts import EngineFacts, HeldLease, Holder, Irrevocable, RunToken
from runlease.readers.https import Answer


@dataclass
class SweptVault(LeasingVault):
    """The same, and what a sweep asks besides."""

    def ahead(self) -> timedelta:
        """How far its clock is before ours. It tells whole seconds, and the next one is meant: nothing is then in the
        future, and what is looked at is a second older at most.
        """
        asked = datetime.now(UTC)
        told = self.ask("GET", "sys/health").body.get("server_time_utc")
        return datetime.fromtimestamp(told + 1, UTC) - asked if isinstance(told, int) else timedelta()

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

    def _list(self, path: str, *needed: str) -> Any:
        return self.data(self.ask("GET", f"{path}?list=true"), path, *needed)

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
        return self.data(answer, path, "update")

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
            self.data(refused[0], path, "update")
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
        said = self.data(self.ask("GET", "sys/leases?type=irrevocable"), "sys/leases", "read", "sudo")
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


def _held(said: Mapping[str, Any], path: str, ahead: timedelta) -> HeldLease:
    expires = said.get("expire_time")
    end = moment(expires) - ahead if expires else None
    return HeldLease(str(said["id"]), path.rsplit("/", 1)[-1], moment(said["issue_time"]) - ahead, end)


def pause(seconds: float) -> None:
    """Let Vault work off what it was told to revoke: for a token it answers before its leases are gone."""
    time.sleep(seconds)
