"""Which accounts and namespaces runs have: what the rules on Kubernetes look at. Others are none of our business."""

from runlease.access.model import Access

_PREFIX = "system:serviceaccount:"


def run_accounts(access: Access) -> set[tuple[str, str]]:
    """Namespace and name of every account that a binding or a JWT role names."""
    bound = {(binding.identity.namespace, binding.identity.service_account) for binding in access.bindings}
    trusted = {
        (namespace, name)
        for trust in access.trusts
        for namespace, _, name in [trust.bound_subject.removeprefix(_PREFIX).partition(":")]
        if trust.bound_subject.startswith(_PREFIX)
    }
    return bound | trusted
