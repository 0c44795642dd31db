"""A comparison as one HTML file: no network, no inline event handlers, everything escaped, readable without colour."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from runlease.access import Privilege
from runlease.access.effects import Affected, Way, ways
from runlease.access.rights import Right, RightsOf
from runlease.access.rules import Finding, Rule
from runlease.readers.hazards import Hazard
from runlease.report.comparison import Comparison
from runlease.report.escape import printable
from runlease.report.frame import begin, end, listed, page_file, text
from runlease.report.rules_told import broken_rules
from runlease.report.sentences import GAINS, label, lifetime, sentences, target_in_words

LETTERS = {
    Privilege.SELECT: "r",
    Privilege.INSERT: "a",
    Privilege.UPDATE: "w",
    Privilege.DELETE: "d",
    Privilege.TRUNCATE: "D",
    Privilege.REFERENCES: "x",
    Privilege.TRIGGER: "t",
    Privilege.MAINTAIN: "m",
    Privilege.USAGE: "U",
    Privilege.CREATE: "C",
    Privilege.CONNECT: "c",
    Privilege.TEMPORARY: "T",
    Privilege.EXECUTE: "X",
}
"""PostgreSQL's own letters (https://www.postgresql.org/docs/current/ddl-priv.html); O is an owner's."""
_MOST, _NAMED = 500, 20
"""Groups of holders that are told in words, and holders named in one of them; the matrix has all."""


def html(comparison: Comparison) -> str:
    """The whole page."""
    script, compared = page_file("page.js"), comparison.gains == GAINS
    return "\n".join(
        [
            begin(comparison.headline, script=script),
            *_affected(comparison.affected, comparison.gains),
            *listed("Findings", map(_finding, comparison.findings)),
            *listed("Other changes", (f"<code>{text(one)}</code>" for one in comparison.other_changes)),
            *listed("Not understood, or not known before up", (text(one) for one in comparison.after.unread)),
            *listed("The rules", map(_rule, broken_rules(comparison.findings))),
            _MATRIX.format(legend=_legend(compared), only="" if compared else " hidden"),
            f'<script type="application/json" id="data">{_data(comparison)}</script>',
            end(script),
        ]
    )


_MATRIX = """\
<h2 id="who">Who reaches what</h2>
<p class="dim">{legend}</p>
<div class="tools">
<label>Identity or member <input type="search" id="identity" autocomplete="off"></label>
<label>Object <input type="search" id="object" autocomplete="off"></label>
<label class="row"{only}><input type="checkbox" id="changed"> only what changes</label>
<span><button type="button" id="earlier">Earlier</button> <button type="button" id="later">Later</button>
<span id="count" role="status"></span></span>
</div>
<div class="scroll" tabindex="0" role="region" aria-labelledby="who">
<table><thead id="head"></thead><tbody id="rows"></tbody></table>
</div>
<section id="chain" class="chain" tabindex="-1" aria-live="polite"></section>
<noscript><p>The matrix needs JavaScript; the sentences above say all that changes.</p></noscript>"""


def _legend(compared: bool) -> str:
    letters = ", ".join(f"<code>{letter}</code> {privilege}" for privilege, letter in LETTERS.items())
    changes = " <ins>gained</ins> <del>lost</del>" if compared else ""
    return f"{letters}, <code>O</code> owner.{changes} Choose an identity to see its chain."


def _affected(affected: tuple[Affected, ...], gains: str) -> Iterator[str]:
    title = "What changes" if gains == GAINS else "Who has what"
    yield f"<h2>{title}</h2>" if affected else "<p>Nothing to tell of anybody's reach.</p>"
    for one in affected[:_MOST]:
        named = ", ".join(f"<code>{text(holder)}</code>" for holder in one.holders[:_NAMED])
        more = f" and {len(one.holders) - _NAMED} more" if len(one.holders) > _NAMED else ""
        state = " escalates" if one.worst.escalates else ""
        yield f'<h3><span class="badge{state}">{label(one.worst, gains)}</span> {named}{more}</h3>\n<ul>'
        yield from (f"<li>{text(sentence)}</li>" for sentence in sentences(one, gains))
        yield "</ul>"
    if len(affected) > _MOST:
        yield f"<p>{len(affected) - _MOST} more groups: see the matrix below.</p>"


def _finding(one: Finding) -> str:
    link = f'<a href="#{text(one.rule)}">{text(one.rule)}</a>'
    accepted = f" (accepted until {one.accepted.until}: {text(one.accepted.reason)})" if one.accepted else ""
    badge = f'<span class="badge {text(one.severity)}">{text(one.severity)}</span>'
    return f"{badge} {link} <code>{text(one.where)}</code>: {text(one.what)}{accepted}"


def _rule(one: Rule | Hazard) -> str:
    said = " ".join(map(text, (one.sentence, one.why)))
    return f'<strong id="{one.id}">{one.id}</strong> {said} Fix: {text(one.fix)}'


def _data(comparison: Comparison) -> str:
    """Holders with the numbers of their ways, ways with letters by object: nothing is multiplied."""
    # One state is not a change: nothing of it is gained.
    before = comparison.before if comparison.gains == GAINS else comparison.after
    old, new = ways(before), ways(comparison.after)
    numbers: dict[Way, int] = {}
    holders = [
        [
            printable(name),
            *([numbers.setdefault(way, len(numbers)) for way in side.get(name, ())] for side in (old, new)),
        ]
        for name in sorted(old.keys() | new.keys())
    ]
    objects: dict[str, int] = {}
    rights = RightsOf(before), RightsOf(comparison.after)
    document = {"holders": holders, "ways": [_way(way, rights, objects) for way in numbers], "objects": list(objects)}
    # Inside a script element only the end tag, or a comment's begin, could end it.
    return json.dumps(document, separators=(",", ":")).replace("<", "\\u003c")


def _way(way: Way, rights: tuple[RightsOf, RightsOf], objects: dict[str, int]) -> dict[str, Any]:
    before, after = (_letters(side.of(way.role, way.database), objects) for side in rights)
    owner = next((one.target.owner for one in rights[1].of(way.role, way.database) if one.owns), "")  # type: ignore[union-attr]  # only an owner's right owns
    return {
        "role": printable(way.role),
        "database": printable(way.database),
        "lease": printable(way.lease or ""),
        "life": lifetime(way),
        "owner": printable(owner),
        "before": before,
        "after": after,
        "changed": before != after,
    }


def _letters(rights: Iterable[Right], objects: dict[str, int]) -> list[tuple[int, str]]:
    found: dict[int, str] = {}
    for right in sorted(rights, key=str):
        name = printable(f"{right.database}: {target_in_words(right.target)}")
        number = objects.setdefault(name, len(objects))
        found[number] = found.get(number, "") + (LETTERS[right.privilege] if right.privilege else "O")
    return sorted(found.items())
