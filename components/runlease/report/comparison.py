"""What a report of a difference holds, in the order that it is told in every format. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from runlease.access import Access
from runlease.access.diff import Change, diff, widens
from runlease.access.effects import Affected, effects
from runlease.access.rules import Finding, Severity
from runlease.report.sentences import GAINS, HAS

_TOLD_BY_EFFECTS = frozenset({"roles", "leases", "bindings", "unread"})


@dataclass(frozen=True)
class Comparison:
    """Two Access values and what lies between them."""

    before: Access
    after: Access
    affected: tuple[Affected, ...]
    """Whose reach differs; escalations first."""
    changes: tuple[Change, ...]
    """Every noun that differs."""
    findings: tuple[Finding, ...]
    """Broken rules after the change, accepted ones as well; and what is dangerous about the change itself."""
    gains: str = GAINS
    """What holders do with a right that is not in `before`: HAS where nothing was before."""

    @classmethod
    def of(cls, before: Access, after: Access, findings: Iterable[Finding]) -> "Comparison":
        """Compare them. The findings are those of `after` and of the plan; the worst come first."""
        return cls(before, after, effects(before, after), diff(before, after), tuple(sorted(findings, key=_order)))

    @classmethod
    def of_one(cls, access: Access, findings: Iterable[Finding]) -> "Comparison":
        """One state: everything in it, told as what there is and not as what comes."""
        nothing = Access(access.installation)
        return cls(nothing, access, effects(nothing, access), (), tuple(sorted(findings, key=_order)), HAS)

    @property
    def escalations(self) -> int:
        """Number of groups of holders, and of changes beside reach, that need a second look."""
        return sum(one.worst.escalates for one in self.affected) + sum(map(widens, self.changes))

    @property
    def other_changes(self) -> tuple[Change, ...]:
        """What differs beside anybody's reach: how Vault and Kubernetes are set; wider audiences first."""
        told = _TOLD_BY_EFFECTS if self.affected else frozenset({"unread"})
        found = (one for one in self.changes if one.section not in told or widens(one))
        return tuple(sorted(found, key=lambda one: not widens(one)))

    @property
    def headline(self) -> str:
        """What there is, counted: `shop-prod: 2 escalations, 3 other changes of reach, 1 open finding`."""
        grown, findings = self.escalations, len(open_findings(self.findings))
        if self.gains == HAS:
            holders = sum(len(one.holders) for one in self.affected)
            found = _counted(findings, "open finding") or "no open finding"
            return f"{self.after.installation}: {_counted(holders, 'holder') or 'nobody'} with access, {found}"
        quiet = sum(not one.worst.escalates for one in self.affected)
        counts = [
            _counted(grown, "escalation"),
            _counted(quiet, "other change of reach", "other changes of reach"),
            _counted(len(self.other_changes), "change beside reach", "changes beside reach"),
            _counted(findings, "open finding"),
        ]
        said = ", ".join(filter(None, counts)) or "no change of access, and no open finding"
        return f"{self.after.installation or self.before.installation}: {said}"


def open_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that nobody has accepted."""
    return tuple(one for one in findings if one.accepted is None)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The highest severity of those that nobody has accepted; None without any."""
    return max((one.severity for one in open_findings(findings)), default=None)


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}" if count else ""


def _order(finding: Finding) -> tuple[bool, int, str, str]:
    return finding.accepted is not None, -finding.severity.value, finding.rule, finding.where
