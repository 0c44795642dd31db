"""RL012: how long a stolen login lives."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, bounds: Bounds) -> Iterator[Breach]:
    for lease in access.leases:
        if lease.max_ttl > bounds.longest_lease:
            what = f"lives too long (got max_ttl {lease.max_ttl}, expected at most {bounds.longest_lease})"
            yield Breach(f"lease {lease.name}", what, lease.source)


RULE = Rule(
    id="RL012",
    severity=Severity.HIGH,
    sentence="No lease lives longer than `rules.longest_lease` of its environment.",
    why=(
        "The guard gives a lease back when the work is done. When it cannot, max_ttl is how long the login lives, and "
        "with it whoever has read it."
    ),
    fix="Shorten max_ttl, or do the work in parts. Raise `rules.longest_lease` where every lease may live longer.",
    language="yaml",
    before="shop-migrator: {database: shop, profile: migrator, ttl: 15m, max_ttl: 8h}",
    after="shop-migrator: {database: shop, profile: migrator, ttl: 15m, max_ttl: 45m}",
    check=_check,
)
