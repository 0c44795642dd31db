"""RL013: a long lease is renewed, so that a dead run's ends early."""

from collections.abc import Iterator

from runlease.access.lifetimes import TOKEN_EXPIRY
from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for lease in access.leases:
        if lease.ttl == lease.max_ttl and lease.ttl > TOKEN_EXPIRY:
            what = f"outlives a dead run (got ttl and max_ttl {lease.ttl}, expected a shorter ttl)"
            yield Breach(f"lease {lease.name}", what, lease.source)


RULE = Rule(
    id="RL013",
    severity=Severity.LOW,
    sentence=f"A lease that may live longer than {TOKEN_EXPIRY} has a ttl shorter than its max_ttl.",
    why=(
        "The guard renews a lease while the work goes on. With ttl equal to max_ttl nothing needs to be renewed, so "
        "the login of a run whose node died lives to the end. Where max_ttl is short that costs nothing."
    ),
    fix="Shorten ttl; the guard renews at two thirds of it.",
    language="yaml",
    before="shop-migrator: {database: shop, profile: migrator, ttl: 45m, max_ttl: 45m}",
    after="shop-migrator: {database: shop, profile: migrator, ttl: 10m, max_ttl: 45m}",
    check=_check,
)
