"""Resources, as Pulumi shows them to a policy pack → findings. No rule and no reading of a resource is here."""

from collections.abc import Sequence
from datetime import date

from runlease.access.rules import Finding, findings
from runlease.policy.terms import Terms
from runlease.readers.properties import Resource
from runlease.readers.resources import is_of_interest, to_access

ALONE = frozenset(
    {
        *("RL014", "RL015", "RL016", "RL019"),  # a connection
        *("RL021", "RL022"),  # a policy of Vault
        *("RL023", "RL024", "RL027", "RL028"),  # a JWT role
        *("RL032", "RL033", "RL034"),  # a Task
    }
)
"""Rules that a resource keeps or breaks whatever else there is: an `up` stops before it is made.

All others need the stack: where a grant goes, who holds a role, and which shapes are let through.
"""


class Judge:
    """Judges the resources of one preview or update: one by one as they are registered, then all together.

    Pulumi shows a resource's inputs when it is registered, and its outputs at the end. The inputs are kept for the end,
    so that a policy reads what `pulumi preview --json` has; what was not registered is judged by its outputs.
    """

    def __init__(self, terms: Terms, today: date) -> None:
        self.terms, self._today = terms, today
        self._registered: dict[str, Resource] = {}
        # Every policy asks about the same resources, one after the other.
        self._last: tuple[list[Resource], tuple[Finding, ...]] = ([], ())

    def alone(self, rule: str, resource: Resource, provider: Resource | None) -> list[Finding]:
        """What breaks the rule in one resource that is registered now."""
        self._registered[resource.urn] = resource
        if not is_of_interest(resource.type):
            return []
        return self._counting(rule, [resource, provider] if provider else [resource])

    def together(self, rule: str, resources: Sequence[Resource]) -> list[Finding]:
        """What breaks the rule in a whole stack."""
        return self._counting(rule, [self._registered.get(one.urn, one) for one in resources])

    def _counting(self, rule: str, resources: list[Resource]) -> list[Finding]:
        judged, found = self._last
        if resources != judged:
            found = findings(to_access(resources), self.terms.bounds, self.terms.acceptances, self._today)
            self._last = resources, found
        return [finding for finding in found if finding.rule == rule and finding.accepted is None]
