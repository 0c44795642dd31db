"""What the rules on Vault's policies share: which endpoints work on leases, and which leases are a policy's own."""

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


def wild(path: str) -> bool:
    """Whether a path holds a wildcard: `*`, or `+` for one segment."""
    return "*" in path or "+" in path


def may_change(rule: PathRule) -> bool:
    """Whether something may be sent to the path."""
    return bool(_CHANGES & set(rule.capabilities))
