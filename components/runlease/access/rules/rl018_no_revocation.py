"""RL018: a lease says how it ends."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.statements import is_empty


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for lease in access.leases:
        if lease.creation and all(map(is_empty, lease.revocation)):
            what = "has no revocation statements (expected statements that end sessions and drop the login)"
            yield Breach(f"lease {lease.name}", what, lease.source)


RULE = Rule(
    id="RL018",
    severity=Severity.HIGH,
    sentence="A lease has revocation statements.",
    why=(
        "Vault's default fails for a login that owns something, a large object will do, and then the login stays: it "
        "still logs in and still reads, until VALID UNTIL. Sessions that have become the owner go on as the owner."
    ),
    fix="Say how it ends; the broker's drop_login ends sessions first, and quarantines what cannot be dropped.",
    language="python",
    before="revocation_statements=[]",
    after="""revocation_statements=["SELECT runlease.drop_login('{{name}}')"]""",
    check=_check,
)
