"""pulumi-policy ↔ judge: each rule as a policy, with its level; each finding as a violation, at its resource."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyProviderResource,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from runlease.access.rules import RULES, Finding, Rule
from runlease.policy.judge import ALONE, Judge
from runlease.policy.terms import read_terms
from runlease.readers.properties import UNKNOWN, Resource

NAME = "runlease"


def run() -> None:
    """Serve the policies to the engine that started this process; it never returns.

    What a stack says is in its config before the process starts. Raises ConfigError for what is wrong in it.
    """
    config = pulumi.Config("runlease")
    terms = read_terms(config.get_object("access"), config.get_object("policy"))
    PolicyPack(NAME, policies=policies(Judge(terms, datetime.now(UTC).date())))


def policies(judge: Judge) -> list[Policy]:
    """One policy for each rule, called as the rule's id."""
    return [_policy(rule, judge) for rule in RULES]


def _policy(rule: Rule, judge: Judge) -> Policy:
    said = {
        "name": rule.id,
        "description": rule.sentence,
        "enforcement_level": EnforcementLevel(judge.terms.enforcement.of(rule.severity)),
        "severity": Severity(str(rule.severity)),
        "remediation_steps": rule.fix,
    }

    def alone(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for finding in judge.alone(rule.id, _resource(args), _provider(args.provider)):
            report(_message(rule, finding))

    def together(args: StackValidationArgs, report: ReportViolation) -> None:
        for finding in judge.together(rule.id, [_resource(one) for one in args.resources]):
            report(_message(rule, finding), _urn(finding))

    if rule.id in ALONE:
        return ResourceValidationPolicy(validate=alone, **said)
    return StackValidationPolicy(validate=together, **said)


def _message(rule: Rule, finding: Finding) -> str:
    return f"{finding}. Fix: {rule.fix}"


def _urn(finding: Finding) -> str | None:
    return finding.source if finding.source.startswith("urn:") else None


def _resource(shown: ResourceValidationArgs | PolicyResource) -> Resource:
    return Resource(
        shown.urn,
        shown.resource_type,
        _plain(shown.props),
        custom=shown.provider is not None,
        provider=shown.provider.urn if shown.provider else "",
        parent=shown.opts.parent or "",
    )


def _provider(shown: PolicyProviderResource | None) -> Resource | None:
    return Resource(shown.urn, shown.resource_type, _plain(shown.props)) if shown else None


def _plain(shown: Any) -> Any:
    """Values as they are in a preview: pulumi-policy raises where one is not known yet."""
    if isinstance(shown, Mapping):
        return {key: _known(shown, key) for key in shown}
    if isinstance(shown, Sequence) and not isinstance(shown, str):
        return [_known(shown, number) for number in range(len(shown))]
    return shown


def _known(shown: Any, key: str | int) -> Any:
    try:
        return _plain(shown[key])
    except UnknownValueError:
        return UNKNOWN
