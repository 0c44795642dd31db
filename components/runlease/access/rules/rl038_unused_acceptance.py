"""RL038: an acceptance is for something. Evaluated with the acceptances themselves, in `evaluate`."""

from runlease.access.rules.rule import Rule, Severity

RULE = Rule(
    id="RL038",
    severity=Severity.LOW,
    sentence="Every acceptance matches a finding.",
    why=(
        "One that matches nothing is a finding that was mended, or a misspelling that accepts nothing. Left standing, "
        "it accepts the same finding when it comes back. In declared access, which knows too little, it is not said."
    ),
    fix="Take it out of `rules.accept`, or write `where` as the finding does.",
    language="yaml",
    before="accept: [{rule: RL012, where: lease shop-migrater, reason: …, until: 2026-12-31}]",
    after="accept: [{rule: RL012, where: lease shop-migrator, reason: …, until: 2026-12-31}]",
    check=lambda _access, _bounds: (),
)
