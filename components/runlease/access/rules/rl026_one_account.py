"""RL026: a JWT role is one account."""

import re
from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import Trust

POD_UID = "/kubernetes.io/pod/uid"
"""The claim that only a token of a pod has."""

_ACCOUNT = re.compile(r"system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+")


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        if not _ACCOUNT.fullmatch(trust.bound_subject):
            got = trust.bound_subject or "nothing, which means any"
            what = f"is not bound to one account (got bound_subject {got}, expected system:serviceaccount:…:…)"
            yield Breach(f"JWT role {trust}", what, trust.source)
        for claim in _globs(trust):
            what = f"compares {claim} by a pattern (expected its value; a pattern only for {POD_UID})"
            yield Breach(f"JWT role {trust}", what, trust.source)


def _globs(trust: Trust) -> Iterator[str]:
    for claim, values in trust.bound_claims:
        if trust.claims_type == "glob" and claim != POD_UID and any("*" in value for value in values):
            yield claim


RULE = Rule(
    id="RL026",
    severity=Severity.CRITICAL,
    sentence="A JWT role is bound to exactly one service account, without a pattern.",
    why=(
        "`system:serviceaccount:ci*` matches the namespaces ci-evil and cicd as well, and whoever may make a namespace "
        "chooses its name. Without a subject any account of the cluster is accepted. A pattern on the pod's uid is let "
        "through: it is how a JWT role asks that there is a pod at all."
    ),
    fix="Set bound_subject to the account, and claims to their values.",
    language="python",
    before='bound_claims_type="glob", bound_claims={"sub": "system:serviceaccount:ci*"}',
    after='bound_subject="system:serviceaccount:ci:shop-release-migrate"',
    check=_check,
)
