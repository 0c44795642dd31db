"""RL034: a parameter is data."""

import re
from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity

_SUBSTITUTED = re.compile(r"\$\((?:inputs\.)?params[.\[]")


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for task in access.tasks:
        for place, script in task.scripts:
            if _SUBSTITUTED.search(script):
                what = "writes a parameter into a script (got $(params.…), expected env or args)"
                yield Breach(f"{place}.script of Task {task}", what, task.source)


RULE = Rule(
    id="RL034",
    severity=Severity.HIGH,
    sentence="No script holds `$(params.`.",
    why=(
        "Tekton puts the parameter's text into the script before the shell reads it, so whoever starts a run writes "
        "the script. No quoting helps."
    ),
    fix="Pass it through env or args, and quote the variable.",
    language="yaml",
    before='script: psql -c "SELECT $(params.query)"',
    after='env: [{name: FILE, value: $(params.file)}]\nscript: psql -f "$FILE"',
    check=_check,
)
