"""The bundle's own two files: a README that maps files to controls, and a manifest of their hashes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runlease.evidence.bundle.controls import NOT_SUPPORTED, Control
from runlease.evidence.bundle.pieces import Piece

README, MANIFEST = "README.md", "MANIFEST.sha256"


@dataclass(frozen=True)
class Made:
    """One piece, and how its command ended."""

    piece: Piece
    code: int
    said: str = ""
    """Its messages."""

    @property
    def failed(self) -> bool:
        """Whether there is no answer: a file is then not in the bundle."""
        return self.code in (1, 2)

    @property
    def found(self) -> bool:
        """Whether it names something to mend."""
        return self.code in self.piece.found

    @property
    def partial(self) -> bool:
        """Whether it is not the whole answer."""
        return self.failed or self.code in self.piece.partial

    @property
    def verdict(self) -> str:
        """In words."""
        if self.failed:
            return "NOT MADE"
        words = [("something to mend", self.found), ("PARTIAL", self.partial)]
        return ", ".join(word for word, holds in words if holds) or "nothing to mend"


def readme(title: str, made: Sequence[Made], left_out: Iterable[str], versions: Mapping[str, str]) -> str:
    """What each file is, which command makes it again, how it ended, and which controls it supports."""
    gaps = [*left_out, *(f"{one.piece.file}: {one.verdict}: {_line(one.said)}" for one in made if one.partial)]
    lines = [f"# Evidence: {title}", ""]
    lines += ["**PARTIAL**: not everything was seen.", "", *(f"* {gap}" for gap in gaps), ""] if gaps else []
    lines += ["| file | what it says | result | supports |", "|---|---|---|---|"]
    for one in made:
        supported = ", ".join(control.id for control in one.piece.controls) if not one.failed else "nothing"
        lines.append(f"| `{one.piece.file}` | {one.piece.says} | {one.verdict} | {supported} |")
    lines += ["", "## Controls", "", *_controls(made), "", "## What it does not support", ""]
    lines += [*(f"* {one}" for one in NOT_SUPPORTED), "", "## How each file was made", "", "```sh"]
    lines += [*(f"{one.piece.command} > {one.piece.file}   # ended with {one.code}" for one in made), "```", ""]
    lines += ["## Versions", "", *(f"* {name}: `{value}`" for name, value in versions.items()), ""]
    return "\n".join([*lines, f"`sha256sum -c {MANIFEST}` says whether a file was changed since.", ""])


def _controls(made: Sequence[Made]) -> Iterable[str]:
    for control in Control:
        files = [f"`{one.piece.file}`" for one in made if control in one.piece.controls and not one.failed]
        yield f"* {control.id}, {control.says}: {', '.join(files) or 'nothing in this bundle'}."


def manifest(sums: Mapping[str, str]) -> str:
    """A line for each file and its SHA-256, as `sha256sum` writes and checks them."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:500] or "see the file"
