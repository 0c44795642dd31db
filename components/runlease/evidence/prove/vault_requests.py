"""What a run's own token may not ask of Vault. None does harm where it is let through. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runlease.access import PROFILES, Access, Identity, Lease
from runlease.config.made import creds_path, database_mount
from runlease.evidence.prove.attempts import Expected, Omitted, Promise
from runlease.evidence.prove.judge import Answered

_NO_LEASE = "runlease-prove-none"
"""Part of a lease's id that no lease has."""


@dataclass(frozen=True)
class Request:
    """One request with a run's token, and how it must end."""

    asked: Answered
    method: str
    path: str
    body: Mapping[str, Any] | None = None


def other_leases(access: Access, lease: Lease, identity: Identity) -> Iterator[tuple[Lease, Answered]]:
    """Each lease of the installation that is not this identity's, which its token may not take."""
    for other in _of_others(access, lease, identity):
        yield other, Answered(lease.name, f"take the lease {other.name}", Expected.REFUSED)


def revocations(access: Access, lease: Lease, identity: Identity, ids: dict[str, str]) -> Iterator[Request | Omitted]:
    """To end another's lease: one that is alive, by its id, or else one that never was."""
    others = {one.name: ids.get(one.name) for one in _of_others(access, lease, identity)} or {_NO_LEASE: None}
    for name, known in others.items():
        one = known or f"{creds_path(access.installation, name)}/{_NO_LEASE}"
        yield _refused(lease, f"renew a lease of {name}", "PUT", "sys/leases/renew", {"lease_id": one})
        if _sweeps(lease):
            yield _swept(lease, f"look up and revoke a lease of {name}")
            continue
        yield _refused(lease, f"look up a lease of {name}", "PUT", "sys/leases/lookup", {"lease_id": one})
        yield _refused(lease, f"revoke a lease of {name}", "PUT", "sys/leases/revoke", {"lease_id": one})
        synced = {"lease_id": one, "sync": "true"}
        yield _refused(lease, f"revoke a lease of {name}, in sync", "PUT", "sys/leases/revoke", synced)


def closed(access: Access, lease: Lease, jwt_mount: str, role: str) -> Iterator[Request | Omitted]:
    """Everything else of Vault's that a run's token has no business with."""
    mount = database_mount(access.installation)
    for what, path in {
        "read its own token": "auth/token/lookup-self",
        "list the mounts": "sys/mounts",
        "list the policies": "sys/policies/acl?list=true",
        "list the roles of the database mount": f"{mount}/roles?list=true",
        "read the role of its own lease": f"{mount}/roles/{lease.name}",
        "list the connections": f"{mount}/config?list=true",
        "list the JWT roles": f"auth/{jwt_mount}/role?list=true",
        "read its own JWT role": f"auth/{jwt_mount}/role/{role}",
    }.items():
        yield Request(Answered(lease.name, what, _looked(lease, path)), "GET", path)
    what = "list the leases that are alive"
    if _sweeps(lease):
        yield _swept(lease, what)
    else:
        path = f"sys/leases/lookup/{mount}/creds/{lease.name}?list=true"
        yield Request(Answered(lease.name, what, _looked(lease, path)), "GET", path)
    yield _refused(lease, "make another token", "POST", "auth/token/create", {"ttl": "1s"})
    for kind in "prefix", "force":
        path = f"sys/leases/revoke-{kind}/{mount}/creds/{_NO_LEASE}"
        yield _refused(lease, f"revoke by {kind}", "PUT", path, {})


def _of_others(access: Access, lease: Lease, identity: Identity) -> list[Lease]:
    own = {lease.name, *(binding.lease for binding in access.bindings if binding.identity == identity)}
    return [one for one in access.leases if one.name not in own]


def _sweeps(lease: Lease) -> bool:
    """Whether its identity is declared to end the leases of runs."""
    return lease.profile is not None and bool(PROFILES[lease.profile].calls)


def _looked(lease: Lease, path: str) -> Expected:
    """An auditor's lease is declared to read how Vault is configured, and which leases there are."""
    audits = lease.profile is not None and PROFILES[lease.profile].audits
    return Expected.ALLOWED if audits and not path.startswith("auth/token/") else Expected.REFUSED


def _swept(lease: Lease, what: str) -> Omitted:
    reason = "the sweeper may, by declaration: it ends what runs left"
    return Omitted(lease.name, what, reason, gap=False, promise=Promise.IDENTITY)


def _refused(lease: Lease, what: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Request:
    return Request(Answered(lease.name, what, Expected.REFUSED), method, path, body)
