"""The question the product answers: what can this identity reach, and through which links?"""

from dataclasses import dataclass

from runlease.access.grants import Grant
from runlease.access.model import Access, Binding, Identity, Lease, Role


@dataclass(frozen=True)
class Reached:
    """One chain: identity → binding → lease → role → grants."""

    binding: Binding
    lease: Lease
    role: Role

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What the role holds itself. A role that runs as an owner reaches everything that the owner owns as well."""
        return self.role.grants

    def __str__(self) -> str:
        chain = f"{self.binding.identity} → {self.lease.name} → {self.role}"
        return f"{chain} → {self.role.runs_as}" if self.role.runs_as else chain


def reach(access: Access, identity: Identity) -> tuple[Reached, ...]:
    """Every chain from an identity to a role, in the order of declaration; empty when it reaches nothing.

    A chain that ends in a lease or a role that is not known is none: planned and live access say what they left unread.
    """
    leases = {lease.name: lease for lease in access.leases}
    roles = {(role.database, role.name): role for role in access.roles}
    return tuple(
        Reached(binding, lease, role)
        for binding in access.bindings
        if binding.identity == identity
        if (lease := leases.get(binding.lease)) is not None
        if (role := roles.get((lease.database, lease.role))) is not None
    )
