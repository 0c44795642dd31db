"""RL031: the namespace is the boundary of trust."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.runs import run_accounts
from runlease.access.wiring import EVERY, Permission

_WAYS_IN = {
    "serviceaccounts/token": {"create"},
    "pods": {"create"},
    "pods/exec": {"create", "get"},
    "pods/attach": {"create", "get"},
    "pods/ephemeralcontainers": {"update", "patch"},
    "serviceaccounts": {"impersonate"},
    "cronjobs": {"create", "update", "patch"},
    "daemonsets": {"create", "update", "patch"},
    "deployments": {"create", "update", "patch"},
    "jobs": {"create"},
    "replicasets": {"create", "update", "patch"},
    "replicationcontrollers": {"create", "update", "patch"},
    "statefulsets": {"create", "update", "patch"},
}
"""Resource → verbs that make a token of an account, a pod with any account, or get into a running pod."""


def _check(access: Access, bounds: Bounds) -> Iterator[Breach]:
    namespaces = {namespace for namespace, _ in run_accounts(access)}
    for permission in access.permissions:
        here = permission.namespace in namespaces or (permission.namespace == EVERY and namespaces)
        ways = _ways_in(permission)
        if here and ways and permission.subject not in bounds.controllers:
            what = f"can be any identity of the namespace (got {', '.join(ways)}, expected nobody but the controllers)"
            where = "every namespace" if permission.namespace == EVERY else f"namespace {permission.namespace}"
            yield Breach(f"{permission.subject} in {where}", what, permission.source)


def _ways_in(permission: Permission) -> list[str]:
    return [
        f"{verb} {resource}"
        for resource, verbs in _WAYS_IN.items()
        if any(_covers(given, resource) for given in permission.resources)
        for verb in sorted(verbs)
        if verb in permission.verbs or EVERY in permission.verbs
    ]


def _covers(given: str, resource: str) -> bool:
    """RBAC knows `*` for all, and `*/subresource` for that one of every resource."""
    return given in (resource, EVERY, f"*/{resource.partition('/')[2]}")


RULE = Rule(
    id="RL031",
    severity=Severity.HIGH,
    sentence="In a namespace of runs only the controllers make tokens and pods, or get into pods.",
    why=(
        "Vault trusts a namespace and an account. Whoever may make a token of the account, or a pod that has it, or a "
        "workload that makes such pods, or run a command in one, is that identity."
    ),
    fix=(
        "Take the verb away, or run the pipelines in a namespace of their own. A controller of yours that makes pods "
        "stands in `rules.controllers`."
    ),
    language="yaml",
    before='rules: [{apiGroups: [""], resources: ["*"], verbs: ["*"]}]',
    after='rules: [{apiGroups: [""], resources: [pods, pods/log], verbs: [get, list, watch]}]',
    check=_check,
)
