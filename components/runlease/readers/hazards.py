"""Plans that look harmless and take access away: Pulumi says that all went well, and the next preview shows nothing.

Each was seen on real servers; why it happens stands with each.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from runlease.access.rules import Finding, Severity
from runlease.readers.error import UnreadError
from runlease.readers.postgresql import role_name, server_of
from runlease.readers.properties import Properties, Resource


@dataclass(frozen=True)
class Hazard:
    """One way in which a plan takes away what it does not show. Like a rule's, its id never changes."""

    id: str
    severity: Severity
    sentence: str
    why: str
    fix: str


MADE_TWICE = Hazard(
    "PL001",
    Severity.HIGH,
    "No plan makes and deletes one grant.",
    "A renamed resource is a new one and an old one of one grant. The new one is made first, and deleting the old one "
    "then revokes what the new one gave. With policies and roles of Vault it is the same.",
    "Keep the name, or give the new resource an alias of the old one.",
)
REPLACED_LATE = Hazard(
    "PL002",
    Severity.HIGH,
    "A replaced membership or default privilege is deleted before it is made again.",
    "pulumi-postgresql makes the new GrantRole or DefaultPrivileges first; deleting the old one then revokes the new.",
    "Set delete_before_replace=True on it.",
)
MEMBERSHIPS_LOST = Hazard(
    "PL003",
    Severity.HIGH,
    "No plan changes a Role whose memberships a GrantRole holds.",
    "An update of any field of a Role revokes every membership of it and grants those in `roles` alone; what a "
    "GrantRole gave is gone until the next refresh.",
    "Put the memberships into `roles` of the Role, or run `pulumi up --refresh` once more right after.",
)
HAZARDS = (MADE_TWICE, REPLACED_LATE, MEMBERSHIPS_LOST)

_GRANT = "postgresql:index/grant:Grant"
_ROLE = "postgresql:index/role:Role"
_GRANT_ROLE = "postgresql:index/grantRole:GrantRole"
_DEFAULTS = ("postgresql:index/defaultPrivileges:DefaultPrivileges", "postgresql:index/defaultPrivileg:DefaultPrivileg")
_LATE = (_GRANT_ROLE, *_DEFAULTS)
_IN_VAULT = {
    "vault:index/policy:Policy": ("name",),
    "vault:database/secretBackendConnection:SecretBackendConnection": ("backend", "name"),
    "vault:database/secretBackendRole:SecretBackendRole": ("backend", "name"),
    "vault:jwt/authBackendRole:AuthBackendRole": ("backend", "roleName"),
}
REPLACING = ("replace", "create-replacement")
"""Operations that make a new thing for a resource that has one."""


@dataclass(frozen=True)
class Step:
    """One step of a plan."""

    op: str
    old: Resource | None
    new: Resource | None
    deleted_first: bool = False
    """Whether a replacement deletes the old thing before it makes the new one."""

    @property
    def urn(self) -> str:
        """Of the resource that it is about."""
        found = self.new or self.old
        return found.urn if found else ""


def hazards(steps: Sequence[Step], after: Iterable[Resource]) -> tuple[Finding, ...]:
    """What is dangerous about the plan itself, by id and place. `after` is every resource once it is carried out."""
    resources = list(after)
    providers = {one.urn: one for one in resources if one.type.startswith("pulumi:providers:")}
    found = [*_made_twice(steps, providers), *_replaced_late(steps), *_memberships_lost(steps, resources, providers)]
    return tuple(sorted(set(found), key=lambda one: (one.rule, one.where)))


def _made_twice(steps: Sequence[Step], providers: Mapping[str, Resource]) -> Iterator[Finding]:
    deleted = {
        _key(step.old, providers): step.old for step in steps if step.op == "delete" and step.old and not step.old.kept
    }
    for step in steps:
        if step.op in ("create", "import") and step.new and (key := _key(step.new, providers)) in deleted and key:
            what = f"is made while {deleted[key].name}, which is the same thing, is deleted"
            yield _finding(MADE_TWICE, step.new, what)


def _replaced_late(steps: Sequence[Step]) -> Iterator[Finding]:
    for step in steps:
        if step.op in REPLACING and step.new and step.new.type in _LATE and not step.deleted_first:
            yield _finding(REPLACED_LATE, step.new, "is made again, and the old one deleted last")


def _memberships_lost(
    steps: Sequence[Step], after: Iterable[Resource], providers: Mapping[str, Resource]
) -> Iterator[Finding]:
    fresh = {step.urn for step in steps if step.op in ("create", "import", *REPLACING)}
    held: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for one in after:
        if one.type == _GRANT_ROLE and one.urn not in fresh:
            with suppress(UnreadError):
                member = server_of(one, providers), one.properties.text("role")
                held[member].add(one.properties.text("grantRole"))
    for step in steps:
        if step.op == "update" and step.new and step.new.type == _ROLE:
            with suppress(UnreadError):
                said = step.new.properties
                lost = held[server_of(step.new, providers), said.text("name")] - set(said.texts("roles"))
                if lost:
                    what = f"is changed, and afterwards no member of {', '.join(sorted(lost))} any more"
                    yield _finding(MEMBERSHIPS_LOST, step.new, what)


def _finding(hazard: Hazard, resource: Resource, what: str) -> Finding:
    kind = resource.type.rpartition(":")[2]
    return Finding(hazard.id, hazard.severity, f"{kind} {resource.name}", what, resource.urn)


def _key(resource: Resource, providers: Mapping[str, Resource]) -> tuple[str, ...] | None:
    """What two resources share that are one thing to the server; None where that is not known."""
    said = resource.properties
    try:
        match resource.type.partition(":")[0]:
            case "postgresql":
                names = _names(resource.type, said)
                return (resource.type, server_of(resource, providers), *names) if names else None
            case "vault" if resource.type in _IN_VAULT:
                return resource.type, *(said.text(name, "") for name in _IN_VAULT[resource.type])
            case _:
                return None
    except UnreadError:
        return None


def _names(type_: str, said: Properties) -> tuple[str, ...]:
    if type_ == _GRANT_ROLE:
        return said.text("role"), said.text("grantRole")
    if type_ not in (_GRANT, *_DEFAULTS):
        return ()
    on = said.text("database"), said.text("objectType"), said.text("schema", ""), said.text("owner", "")
    return role_name(said.text("role")), *on, *sorted(said.texts("objects")), *sorted(said.texts("columns"))
