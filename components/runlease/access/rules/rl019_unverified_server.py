"""RL019: Vault knows which server it talks to."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_VERIFIED = "verify-full"


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for connection in access.connections:
        if connection.sslmode != _VERIFIED:
            got = connection.sslmode or "nothing, which means prefer"
            what = f"does not check whom it talks to (got sslmode {got}, expected {_VERIFIED})"
            yield Breach(f"connection {connection}", what, connection.source)


RULE = Rule(
    id="RL019",
    severity=Severity.HIGH,
    sentence="Vault reaches PostgreSQL with sslmode verify-full.",
    why=(
        "`require` encrypts to whoever answers, and verify-ca takes any certificate of the CA, whatever host it names. "
        "Who stands between takes Vault's login, which makes logins."
    ),
    fix="Use verify-full, and give Vault the CA's certificate (`vault_ca`).",
    language="yaml",
    before="shop: {host: db.internal, unsafe_sslmode: require}",
    after="shop: {host: db.internal, ca: ca/db.pem, vault_ca: /etc/vault/ca/db.pem}",
    check=_check,
)
