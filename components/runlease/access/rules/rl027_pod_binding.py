"""RL027: a token belongs to a pod."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rl026_one_account import POD_UID
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        if not dict(trust.bound_claims).get(POD_UID):
            what = f"takes tokens that no pod has (expected a bound claim {POD_UID})"
            yield Breach(f"JWT role {trust}", what, trust.source)


RULE = Rule(
    id="RL027",
    severity=Severity.MEDIUM,
    sentence="A JWT role wants a token that is bound to a pod.",
    why=(
        "`kubectl create token` makes a token of an account without a pod, as long-lived as the cluster allows, and "
        "nothing in the audit log then leads to a run."
    ),
    fix="Ask for the pod's uid, by a pattern that every uid has.",
    language="python",
    before='bound_claims={"/kubernetes.io/namespace": "ci"}',
    after=(
        'bound_claims_type="glob",\n'
        'bound_claims={"/kubernetes.io/namespace": "ci", "/kubernetes.io/pod/uid": "*-*-*-*-*"}'
    ),
    check=_check,
)
