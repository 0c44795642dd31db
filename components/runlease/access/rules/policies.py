"""What the rules on Vault's policies share: which endpoints work on leases, and which leases are a policy's own."""

from collections.abc import Container

from runlease.access.wiring import PathRule, Policy

_CHANGES = {"create", "update", "patch", "sudo"}
_CREDS = "creds"


def own_leases(policy: Policy) -> set[str]:
    """The creds paths that a policy reads by name: the leases that it may take, and so give back."""
    return {
        rule.path
        for rule in policy.rules
        if "read" in rule.capabilities and not wild(rule.path) and _CREDS in rule.path.split("/")[1:-1]
    }


def looks_on(policy: Policy, auditing: Container[str]) -> set[str]:
    """Paths with `+` by which an auditor reads how Vault is configured: none holds a secret.

    `auditing` has the names of the leases that lead to an auditor's role; a policy that takes another lease as well, or
    none, is none of an auditor.
    """
    own = own_leases(policy)
    if not own or any(path.rsplit("/", 1)[-1] not in auditing for path in own):
        return set()
    below = {f"{path.partition(f'/{_CREDS}/')[0]}/{what}/+" for path in own for what in ("config", "roles")}
    return below | {"sys/policies/acl/+", "auth/+/role/", "auth/+/role/+", "auth/+/config"}


def wild(path: str) -> bool:
    """Whether a path holds a wildcard: `*`, or `+` for one segment."""
    return "*" in path or "+" in path


def may_change(rule: PathRule) -> bool:
    """Whether something may be sent to the path."""
    return bool(_CHANGES & set(rule.capabilities))
