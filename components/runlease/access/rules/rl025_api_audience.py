"""RL025: a token for the API server is none for Vault."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import API_AUDIENCES


def _check(access: Access, bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        others = {trust.issuer, *API_AUDIENCES, *bounds.api_audiences}
        for audience in trust.audiences:
            if audience in others:
                what = f"takes the API server's audience (got {audience}, expected one that only this Vault accepts)"
                yield Breach(f"JWT role {trust}", what, trust.source)


RULE = Rule(
    id="RL025",
    severity=Severity.CRITICAL,
    sentence="No JWT role takes the API server's audience.",
    why=(
        "Every pod with an automounted token holds one for that audience, and so does whoever it sends it to. Each of "
        "them could be that identity at Vault, and Vault could be it at the API server."
    ),
    fix="Bind a private audience: `runlease/<installation>`.",
    language="python",
    before='bound_audiences=["https://kubernetes.default.svc.cluster.local"]',
    after='bound_audiences=["runlease/shop-prod"]',
    check=_check,
)
