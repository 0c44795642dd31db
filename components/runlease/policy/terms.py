"""What a stack says about how it is judged, from its config alone."""

from dataclasses import dataclass

from runlease.access.rules import Acceptance, Bounds
from runlease.config import (
    ConfigError,
    EnforcementSettings,
    PolicySettings,
    load,
    load_section,
    to_acceptances,
    to_bounds,
)


@dataclass(frozen=True)
class Terms:
    """How a stack is judged."""

    enforcement: EnforcementSettings
    """What a finding of each severity does."""
    bounds: Bounds
    acceptances: tuple[Acceptance, ...]


def read_terms(access: object, policy: object) -> Terms:
    """The terms of a stack, from `runlease:access` and `runlease:policy`; None for one that is not there.

    What the rules ask stands in `access.rules`, and in `policy.rules` for a stack that has no `runlease:access`.
    Raises ConfigError.
    """
    settings = load_section(PolicySettings, {} if policy is None else policy, "policy")
    if access is None:
        rules = settings.rules
        bounds = Bounds(rules.longest_lease, rules.controllers) if rules else Bounds()
        return Terms(settings.enforcement, bounds, rules.acceptances if rules else ())
    if settings.rules is not None:
        raise ConfigError(["policy.rules: stands beside runlease:access. Fix: move it to access.rules"])
    read = load(access)
    return Terms(settings.enforcement, to_bounds(read), to_acceptances(read))
