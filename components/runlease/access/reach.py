"""The question the product answers: what can this identity reach, and through which links?"""

from dataclasses import dataclass

from runlease.access.model import Access, Binding, Grant, Identity, Lease, Role


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
    """Every chain from an identity to a role, in the order of declaration; empty when it reaches nothing."""
    leases = {lease.name: lease for lease in access.leases}
    roles = {role.name: role for role in access.roles}
    return tuple(
        Reached(binding, leases[binding.lease], roles[leases[binding.lease].role])
        for binding in access.bindings
        if binding.identity == identity
    )
