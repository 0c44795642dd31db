"""RL017: making a login writes no access list."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.statements import grants_on_objects


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for lease in access.leases:
        if any(map(grants_on_objects, lease.creation)):
            what = "its creation statements grant on objects (got GRANT … ON … TO, expected membership in a role)"
            yield Breach(f"lease {lease.name}", what, lease.source)


RULE = Rule(
    id="RL017",
    severity=Severity.HIGH,
    sentence="Creation statements give a login membership in a role, and no grant on objects.",
    why=(
        "Each login is then an entry in the access list of every table, a row of limited size: it fills up until no "
        'login can be made. Two at once fail with "tuple concurrently updated", and a login whose revocation failed '
        "stays."
    ),
    fix="Grant to a NOLOGIN role once, and make the login its member; the broker's create_login does.",
    language="sql",
    before=(
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}';\n"
        'GRANT SELECT ON ALL TABLES IN SCHEMA app TO "{{name}}";'
    ),
    after="SELECT runlease.create_login('{{name}}', '{{password}}', '{{expiration}}', 'reader')",
    check=_check,
)
