"""What must not be, one rule a file, and the findings of an Access. Pure: today's date is an argument."""

from runlease.access.rules.evaluate import findings
from runlease.access.rules.registry import RULES
from runlease.access.rules.rule import Acceptance, Bounds, Breach, Finding, Rule, Severity

__all__ = ["RULES", "Acceptance", "Bounds", "Breach", "Finding", "Rule", "Severity", "findings"]
