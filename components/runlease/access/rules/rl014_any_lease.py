"""RL014: a connection serves the leases that it names."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for connection in access.connections:
        if any("*" in name for name in connection.allowed_roles):
            got = ", ".join(connection.allowed_roles)
            what = f"may be used by any lease (got allowed_roles {got}, expected their names)"
            yield Breach(f"connection {connection}", what, connection.source)


RULE = Rule(
    id="RL014",
    severity=Severity.HIGH,
    sentence="A connection names the leases that may use it.",
    why=(
        "With allowed_roles `*`, whoever may write one role of the mount takes any login that Vault's login can make, "
        "the owner's included. Names keep the tiers of trust apart."
    ),
    fix="List the names of the leases.",
    language="python",
    before='allowed_roles=["*"]',
    after='allowed_roles=["shop-migrator"]',
    check=_check,
)
