"""The rules and the hazards of a plan: as text, as JSON, and as docs/rules.md, which `make rules` writes with it."""

import json
import re
from collections.abc import Sequence

from runlease.access.rules import RULES, Rule, Severity
from runlease.readers.hazards import HAZARDS, Hazard

_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z0-9`]|runlease|pg_)")

_INTRODUCTION = """\
# Rules

<!-- Written by `make rules` from components/runlease/access/rules/. Edit the rule there, not this page. -->

Each rule is checked on declared, planned and live access, and knows nothing of where the access was read.
Declared access knows databases, roles, leases and bindings.
Rules on Vault, Kubernetes and Tasks need planned or live access.

`runlease rules` lists them.
The id of a rule never changes.
What runlease makes itself breaks none of them.
Where it needs an exception, the rule lets a shape through, never a name.

## Severity

| severity | means |
|---|---|
"""

_SETTINGS = """
## Bounds and acceptances

A stack says in its file what the rules ask of it, and which findings it bears:

```yaml
runlease:access:
  rules:
    longest_lease: 45m        # RL012; default 1h
    controllers:              # RL031; default: Tekton's controller in tekton-pipelines
      - system:serviceaccount:tekton-pipelines:tekton-pipelines-controller
    accept:
      - rule: RL012
        where: lease shop-migrator
        reason: the yearly archive takes two hours; see the plan of the team
        until: 2026-12-31
```

`where` is what the finding says, exactly; a pattern would accept what is not there yet.
A finding on a grant names the whole grant, so that one more privilege is a finding of its own.
An accepted finding is still reported, with its reason.
`until` is the last day: from the next one on the finding counts again, and says that it was accepted.
An acceptance that matches nothing is a finding too: [RL038](#rl038).

## The rules

| id | severity | what holds |
|---|---|---|
"""

_HAZARDS = """
## Hazards of a plan

A plan can take access away that it does not show: Pulumi says that all went well, and the next preview shows nothing.
`runlease diff --preview` finds these three.
They are findings like those of the rules, and no stack bears them: a plan is mended before it is carried out.

"""


def as_text(rules: Sequence[Rule]) -> str:
    """One line a rule: id, severity, sentence."""
    return "\n".join(f"{rule.id}  {rule.severity!s:8}  {rule.sentence}" for rule in rules)


def as_json(rules: Sequence[Rule]) -> str:
    """The same for programs, with why and fix."""
    return json.dumps({"rules": [_fields(rule) for rule in rules]}, indent=2, ensure_ascii=False)


def _fields(rule: Rule) -> dict[str, str]:
    severity = str(rule.severity)
    return {"id": rule.id, "severity": severity, "sentence": rule.sentence, "why": rule.why, "fix": rule.fix}


def as_page(rules: Sequence[Rule]) -> str:
    """docs/rules.md, whole."""
    severities = "\n".join(f"| {severity} | {_MEANS[severity]} |" for severity in sorted(Severity, reverse=True))
    table = "\n".join(f"| [{rule.id}](#{rule.anchor}) | {rule.severity} | {rule.sentence} |" for rule in rules)
    sections = "\n".join(map(_section, rules)) + _HAZARDS + "\n".join(map(_hazard, HAZARDS))
    return f"{_INTRODUCTION}{severities}\n{_SETTINGS}{table}\n\n{sections}"


_MEANS = {
    Severity.CRITICAL: "somebody can have everything, or anybody can have something",
    Severity.HIGH: "somebody can have what nobody declared, or keep what has ended",
    Severity.MEDIUM: "one more mistake, somewhere else, and somebody has what they should not",
    Severity.LOW: "should be tidied; gives nobody more than they have",
}


def _section(rule: Rule) -> str:
    return "\n".join(
        [
            f"### {rule.id}",
            "",
            f"**{rule.sentence}** ({rule.severity})",
            "",
            _SENTENCE.sub("\n", rule.why),
            "",
            f"Fix: {_SENTENCE.sub(chr(10), rule.fix)}",
            "",
            _block("Before", rule.language, rule.before),
            _block("After", rule.language, rule.after),
        ]
    )


def _hazard(hazard: Hazard) -> str:
    lines = [
        f"### {hazard.id}",
        f"**{hazard.sentence}** ({hazard.severity})",
        _SENTENCE.sub("\n", hazard.why),
        f"Fix: {_SENTENCE.sub(chr(10), hazard.fix)}",
    ]
    return "\n\n".join(lines) + "\n"


def _block(title: str, language: str, text: str) -> str:
    return f"{title}:\n\n```{language}\n{text}\n```\n"


if __name__ == "__main__":
    print(as_page(RULES), end="")
