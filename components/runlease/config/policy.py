"""pydantic models of `runlease:policy`: how strictly the policy pack judges a stack."""

from enum import StrEnum

from runlease.access.rules import Severity
from runlease.config.rules import RulesSettings
from runlease.config.section import Section


class Enforcement(StrEnum):
    """What a finding does to a preview and an update."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"
    DISABLED = "disabled"


class EnforcementSettings(Section):
    """What a finding of each severity does."""

    critical: Enforcement = Enforcement.MANDATORY
    """Default mandatory: the preview fails, and nothing is made."""
    high: Enforcement = Enforcement.MANDATORY
    """Default mandatory."""
    medium: Enforcement = Enforcement.ADVISORY
    """Default advisory: it is shown. A first preview has values that are not known yet, which is one of these."""
    low: Enforcement = Enforcement.ADVISORY
    """Default advisory."""

    def of(self, severity: Severity) -> Enforcement:
        """What a finding of this severity does."""
        found: Enforcement = getattr(self, str(severity))
        return found


class PolicySettings(Section):
    """How strictly the policy pack judges a stack."""

    enforcement: EnforcementSettings = EnforcementSettings()
    """What a finding of each severity does."""
    rules: RulesSettings | None = None
    """As `access.rules`, for a stack without `runlease:access`. Default: the rules' own bounds, nothing accepted."""
