"""RL024: a token is for one reader."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        if len(trust.audiences) != 1 or "*" in trust.audiences[0]:
            got = ", ".join(trust.audiences) or "none"
            what = f"does not want exactly one audience (got {got}, expected one that only this Vault accepts)"
            yield Breach(f"JWT role {trust}", what, trust.source)


RULE = Rule(
    id="RL024",
    severity=Severity.HIGH,
    sentence="A JWT role wants exactly one audience.",
    why=(
        "Without one, a token that was made for no one in particular is good here. With several, a token that was sent "
        "to one of those readers can be replayed by it at Vault."
    ),
    fix="Bind one private audience: `runlease/<installation>`.",
    language="python",
    before='bound_audiences=["vault", "https://kubernetes.default.svc"]',
    after='bound_audiences=["runlease/shop-prod"]',
    check=_check,
)
