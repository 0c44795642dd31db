"""RL023: a run token carries its lease's policy and no other."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        if not trust.no_default_policy or "default" in trust.policies:
            what = "its tokens carry the policy default (expected token_no_default_policy, and default not listed)"
            yield Breach(f"JWT role {trust}", what, trust.source)


RULE = Rule(
    id="RL023",
    severity=Severity.LOW,
    sentence="Run tokens do not carry Vault's default policy.",
    why=(
        "What `default` allows is changed elsewhere, by people who do not think of runs: a cubbyhole, wrapping, "
        "control groups, and whatever is added next."
    ),
    fix="Set token_no_default_policy; what a run needs of it, revoke-self, stands in the lease's policy.",
    language="python",
    before='token_policies=["shop-prod.shop-migrator"]',
    after='token_policies=["shop-prod.shop-migrator"], token_no_default_policy=True',
    check=_check,
)
