"""A comparison as one comment of a pull request: GitHub's and GitLab's Markdown, within GitHub's limit."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from runlease.access.effects import Affected
from runlease.access.rules import Finding, Rule
from runlease.readers.hazards import Hazard
from runlease.report.comparison import Comparison
from runlease.report.escape import code_span, printable
from runlease.report.rules_told import broken_rules, rules_address
from runlease.report.sentences import Sentence, label, sentences

LIMIT = 65_536
"""Bytes of a comment on GitHub; GitLab takes more."""
_SHOWN, _FOLDED, _NAMED = 8, 100, 5
"""Sentences of one group that are shown, and that are folded below them; holders that are named."""


def markdown(comparison: Comparison, limit: int = LIMIT) -> str:
    """The comment. What does not fit is counted in its last line, never cut silently."""
    blocks: list[Callable[[], str]] = [
        *(partial(_affected, one, comparison.gains) for one in comparison.affected),
        *_list("Findings", comparison.findings, _finding),
        *_list("Other changes", comparison.other_changes, lambda one: code_span(str(one))),
        *_list("Not understood, or not known before up", comparison.after.unread, lambda one: code_span(str(one))),
        *_list("The rules", [] if rules_address() else broken_rules(comparison.findings), _rule),
    ]
    return _fit(f"### {_headline(comparison)}\n", blocks, limit)


def _headline(comparison: Comparison) -> str:
    return printable(comparison.headline).replace("<", "&lt;").replace("`", "'")


def _affected(one: Affected, gains: str) -> str:
    told = sentences(one, gains)
    named = ", ".join(code_span(holder) for holder in one.holders[:_NAMED])
    more = f" and {len(one.holders) - _NAMED} more" if len(one.holders) > _NAMED else ""
    mark = "⚠️ " if one.worst.escalates else ""
    lines = [f"- {_sentence(sentence)}" for sentence in told]
    return f"\n{mark}**{label(one.worst, gains)}**: {named}{more}\n" + _folded(lines)


def _folded(lines: list[str]) -> str:
    shown, rest, left = lines[:_SHOWN], lines[_SHOWN : _SHOWN + _FOLDED], lines[_SHOWN + _FOLDED :]
    text = "\n".join(["", *shown, ""])
    if rest:
        rest += [f"- and {len(left)} more: see the HTML report"] if left else []
        text += "\n".join([f"<details><summary>{len(rest)} more</summary>\n", *rest, "\n</details>\n"])
    return text


def _sentence(one: Sentence) -> str:
    apart = f" (apart from {code_span(', '.join(one.apart_from))})" if one.apart_from else ""
    lifetime = f", {one.lifetime}" if one.lifetime else ""
    where = f" in {code_span(one.database)}" if one.names_database else ""
    return (
        f"**{one.verb}** {one.privileges} on {code_span(one.target)}{where}{apart}"
        f" through {code_span(one.role)}{lifetime}"
    )


def _finding(one: Finding) -> str:
    page = rules_address()
    link = f"[{one.rule}]({page}#{one.rule.lower()})" if page else one.rule
    accepted = f" _accepted until {one.accepted.until}_: {code_span(one.accepted.reason)}" if one.accepted else ""
    return f"{link} **{one.severity}** {code_span(one.where)}: {code_span(one.what)}{accepted}"


def _rule(one: Rule | Hazard) -> str:
    return f"{one.id}: {one.sentence} {one.why} Fix: {one.fix}"


def _list(title: str, items: Iterable[Any], told: Callable[[Any], str]) -> Iterator[Callable[[], str]]:
    found = list(items)
    if found:
        yield lambda: f"\n**{title}** ({len(found)})\n\n"
        yield from (partial(_item, told, one) for one in found)


def _item(told: Callable[[Any], str], one: object) -> str:
    return f"- {told(one)}\n"


def _fit(head: str, blocks: list[Callable[[], str]], limit: int) -> str:
    """Blocks in their order while there is room; each is made only when it is."""
    room = limit - 200  # for the last line
    told, used = [head], len(head.encode())
    for number, block in enumerate(blocks):
        text = block()
        used += len(text.encode())
        if used > room:
            left = len(blocks) - number
            return "".join(told) + f"\n**{left} more entries do not fit into a comment.** See the HTML report.\n"
        told.append(text)
    return "".join(told)
