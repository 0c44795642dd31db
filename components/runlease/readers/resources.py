"""Pulumi resources → Access. The one place where a type of resource becomes nouns: previews and policies share it."""

from collections.abc import Iterable
from dataclasses import dataclass

from runlease.access import Access, Unread
from runlease.access.diff import ordered
from runlease.readers.bindings import COMPONENT as IDENTITY
from runlease.readers.bindings import Leases, read_bindings
from runlease.readers.error import UnreadError
from runlease.readers.kubernetes import Kubernetes
from runlease.readers.postgresql import COMPONENT as DATABASE
from runlease.readers.postgresql import Postgresql, read_component
from runlease.readers.properties import Resource
from runlease.readers.servers import Declared, Servers
from runlease.readers.vault import Vault

_INSTALLATION = "runlease:index:PipelineAccess"
_PROVIDER = "pulumi:providers:"
READ = ("postgresql", "vault", "kubernetes")
"""Packages whose resources are read; one of theirs that is not understood is Unread."""
_CAN_DO_ANYTHING = {
    "command:local:Command": "runs a command, which can do anything",
    "command:remote:Command": "runs a command, which can do anything",
    "pulumi-python:dynamic:Resource": "runs code of the program, which can do anything",
    "pulumi-nodejs:dynamic:Resource": "runs code of the program, which can do anything",
    "gcp:sql/user:User": "makes a login of PostgreSQL, and is not understood",
}
"""Resources of other packages that can give access to a database. All others are none of our business."""


@dataclass(frozen=True)
class _Readers:
    postgresql: Postgresql
    vault: Vault
    kubernetes: Kubernetes

    def read(self, resource: Resource) -> None:
        if resource.type in _CAN_DO_ANYTHING:
            raise UnreadError(_CAN_DO_ANYTHING[resource.type])
        if resource.waiting and resource.package in READ:
            raise UnreadError("was replaced and waits for its deletion, so what it gave may still be there")
        match resource.package:
            case "postgresql":
                self.postgresql.read(resource)
            case "vault":
                self.vault.read(resource)
            case "kubernetes" if resource.custom:
                self.kubernetes.read(resource)


def is_of_interest(type_: str) -> bool:
    """Whether a resource of this type gives access, or says something about one that does."""
    package = type_.partition(":")[0]
    return package in (*READ, "runlease") or type_.startswith(_PROVIDER) or type_ in _CAN_DO_ANYTHING


def to_access(resources: Iterable[Resource]) -> Access:
    """What these resources give together. What is not understood or not known yet is in `unread`, by URN."""
    # In the order of their names: a plan's own order is that of parallel work.
    every = {one.key: one for one in sorted(resources, key=lambda one: one.key)}
    providers = {urn: one for urn, one in every.items() if one.type.startswith(_PROVIDER)}
    components: dict[str, Declared] = {}
    readers = _Readers(Postgresql(providers, components), Vault(), Kubernetes(providers))
    unread: list[Unread] = []
    for resource in sorted(every.values(), key=lambda one: one.type != DATABASE):
        try:
            if resource.type == DATABASE:
                components[resource.urn] = read_component(resource)
            readers.read(resource)
        except UnreadError as error:
            unread.append(Unread(resource.urn, str(error), source=resource.urn))
    return _together(every, readers, unread)


def _together(every: dict[str, Resource], readers: _Readers, unread: list[Unread]) -> Access:
    vault, kubernetes = readers.vault, readers.kubernetes
    servers = Servers(readers.postgresql.facts)
    placed = list(vault.leases(servers))
    leases = tuple(lease for _, lease in placed)
    names = {
        urn: every[one.parent].name
        for urn, one in every.items()
        if one.parent in every and every[one.parent].type == IDENTITY
    }
    bindings, missing = read_bindings(vault.trusts(), vault.policies, Leases.of(leases), names)
    permissions = tuple(kubernetes.permissions())
    found = Access(
        _installation(every),
        databases=servers.databases(),
        roles=servers.roles((place, lease.role) for place, lease in placed),
        leases=leases,
        bindings=bindings,
        connections=vault.connections(),
        policies=tuple(vault.policies),
        trusts=vault.trusts(),
        accounts=tuple(kubernetes.accounts),
        permissions=permissions,
        tasks=tuple(kubernetes.tasks),
        unread=(*unread, *vault.unread, *kubernetes.unread, *missing),
    )
    return ordered(found)


def _installation(every: dict[str, Resource]) -> str:
    """As the program calls it, or else by project and stack."""
    names = [one.name for one in every.values() if one.type == _INSTALLATION]
    return names[0] if len(names) == 1 else next((one.stack for one in every.values() if one.stack), "")
