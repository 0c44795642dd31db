"""RL037: what was not read was not judged."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for unread in access.unread:
        if not unread.narrows:
            yield Breach(unread.where, f"was not read: {unread.why}", unread.source)


RULE = Rule(
    id="RL037",
    severity=Severity.MEDIUM,
    sentence="Everything that gives access can be read.",
    why=(
        "A resource of a kind that is not understood, or a value that is only known after an `up`, may give anything "
        "to anybody. It is said, so that nobody takes silence for safety."
    ),
    fix="Look at it yourself; use a resource that is understood, or accept it with a reason.",
    language="python",
    before='postgresql.Grant("read", role=random_name.result, …)',
    after='postgresql.Grant("read", role="shop_reader", …)',
    check=_check,
)
