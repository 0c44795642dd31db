"""RL028: an ended token has ended."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_NONE = -1


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for trust in access.trusts:
        leeways = {
            "expiration_leeway": trust.expiration_leeway,
            "not_before_leeway": trust.not_before_leeway,
            "clock_skew_leeway": trust.clock_skew_leeway,
        }
        if given := [f"{name} {seconds}" for name, seconds in leeways.items() if seconds != _NONE]:
            what = f"takes tokens outside their time (got {', '.join(given)}, expected {_NONE} for each)"
            yield Breach(f"JWT role {trust}", what, trust.source)


RULE = Rule(
    id="RL028",
    severity=Severity.MEDIUM,
    sentence="A JWT role gives tokens no leeway.",
    why=(
        "The default takes a token up to 150 seconds after its end, and one without an end inside that time. 0 is the "
        "default and not none: none is -1."
    ),
    fix="Set all three to -1.",
    language="python",
    before="expiration_leeway=0",
    after="expiration_leeway=-1, not_before_leeway=-1, clock_skew_leeway=-1",
    check=_check,
)
