"""RL035: lifetimes fit into one another."""

from collections.abc import Iterator

from runlease.access.lifetimes import (
    SYSTEM_MAXIMUM,
    TOKEN_MARGIN,
    Duration,
    LeaseLifetime,
    incoherent_lifetimes,
)
from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import Trust


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    maxima = {connection.mount: connection.mount_maximum for connection in access.connections}
    for lease in access.leases:
        where = f"lease {lease.name}"
        maximum = maxima.get(lease.mount) or SYSTEM_MAXIMUM
        for message in incoherent_lifetimes([LeaseLifetime(where, lease.ttl, lease.max_ttl, maximum)]):
            yield Breach(where, message.removeprefix(f"{where}: ").partition(". Fix:")[0], lease.source)
    yield from _tokens(access)


def _tokens(access: Access) -> Iterator[Breach]:
    max_ttl = {lease.name: lease.max_ttl for lease in access.leases}
    longest: dict[str, Duration] = {}
    for binding in access.bindings:
        if binding.lease in max_ttl:
            subject = binding.identity.subject
            longest[subject] = max(longest.get(subject, max_ttl[binding.lease]), max_ttl[binding.lease])
    for trust in access.trusts:
        if trust.bound_subject in longest:
            needed, life = longest[trust.bound_subject] + TOKEN_MARGIN, _life(trust)
            if life != needed:
                how = "ends its lease early" if life < needed else "can take its lease again after it has ended"
                what = f"its token {how} (got a life of {life}, expected max_ttl and {TOKEN_MARGIN}: {needed})"
                yield Breach(f"JWT role {trust}", what, trust.source)


def _life(trust: Trust) -> Duration:
    said = [life for life in (trust.token_max_ttl, trust.token_explicit_max_ttl) if life is not None]
    return min(said, default=SYSTEM_MAXIMUM)


RULE = Rule(
    id="RL035",
    severity=Severity.MEDIUM,
    sentence="The lifetimes of a chain fit into one another.",
    why=(
        "Vault ends a lease with the token that took it, and cuts a max_ttl that the mount does not allow: the run "
        "fails in its middle. A token that lives on takes new leases after the last one had to end, so max_ttl bounds "
        "nothing."
    ),
    fix=f"ttl ≤ max_ttl ≤ the mount's maximum; the token lives {TOKEN_MARGIN} longer than max_ttl: docs/lifetimes.md.",
    language="python",
    before="token_max_ttl=86_400",
    after="token_max_ttl=1_920, token_explicit_max_ttl=1_920  # max_ttl 30m and the margin",
    check=_check,
)
