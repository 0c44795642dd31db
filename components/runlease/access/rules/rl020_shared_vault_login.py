"""RL020: one login, one connection."""

from collections import defaultdict
from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import Connection


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    users = defaultdict[tuple[str, str], list[Connection]](list)
    for connection in access.connections:
        users[connection.host, connection.username].append(connection)
    for (_, username), sharing in users.items():
        if len(sharing) > 1:
            for connection in sharing:
                others = ", ".join(str(other) for other in sharing if other is not connection)
                what = f"shares the login {username} with {others} (expected a login of its own)"
                yield Breach(f"connection {connection}", what, connection.source)


RULE = Rule(
    id="RL020",
    severity=Severity.MEDIUM,
    sentence="Each connection of Vault has a PostgreSQL login of its own.",
    why=(
        "When Vault rotates the password through one connection, the other knows the old one only, and makes and "
        "revokes nothing once its sessions are gone. And the broker tells the tiers of trust apart by that login."
    ),
    fix="Make a login for each connection.",
    language="python",
    before=(
        'data    = connection("shop-data", username="vault")\nmigrate = connection("shop-migrator", username="vault")'
    ),
    after=(
        'data    = connection("shop-data", username="runlease_shop_vault")\n'
        'migrate = connection("shop-migrator", username="runlease_shop_vault_migrator")'
    ),
    check=_check,
)
