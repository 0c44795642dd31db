"""What the documents promise about files, commands and settings is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from runlease.cli import main
from runlease.config import load

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "examples/**/README.md", "tekton/**/README.md")
    for path in REPOSITORY.glob(pattern)
)
FOLDERS = ("components/", "lab/", "stacks/", "tekton/", "docs/", "tests/", "examples/", "bench/")
YOURS = "stacks/ca"
"""Where a user puts certificates; the repository has none."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def fences(document: Path, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(text_of(document)) if found == language]


def prose(document: Path) -> str:
    return _FENCE.sub("", text_of(document))


def links(document: Path) -> list[str]:
    return [link for link in _LINK.findall(prose(document)) if "://" not in link]


def anchors(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def make_targets(document: Path) -> set[str]:
    commands = [*_CODE.findall(prose(document)), *"\n".join(fences(document, "sh")).splitlines()]
    return {found.group(1) for command in commands if (found := re.match(r"make ([a-z-]+)", command))}


def named(document: Path) -> Iterator[str]:
    for path in _CODE.findall(prose(document)):
        if path.startswith(FOLDERS) and not path.startswith(YOURS) and not re.search(r"[<*\s]", path):
            yield path


def identify(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_every_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_every_path_of_the_repository_that_is_named_exists(document: Path) -> None:
    assert not [path for path in named(document) if not (REPOSITORY / path).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=identify)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(REPOSITORY / "Makefile"), re.MULTILINE))
    assert not make_targets(document) - targets


def test_the_readme_names_the_two_commands_and_links_every_document() -> None:
    assert {"demo", "test"} <= make_targets(README)
    pages = {f"docs/{page.name}" for page in REPOSITORY.glob("docs/*.md")}
    assert not pages - {link.partition("#")[0] for link in links(README)}


def test_the_readmes_settings_load() -> None:
    documents = [yaml.safe_load(body) for body in fences(README, "yaml")]
    assert documents
    for document in documents:
        assert document["config"]["pulumi:disable-default-providers"] == ["*"]
        assert load(document["config"]["runlease:access"]).leases


def test_the_readmes_summary_is_what_the_demo_says_today() -> None:
    transcript = next(body for body in fences(README, "text") if "what had to hold" in body)
    table = transcript.split("----\n")[-1]
    rows = [row.removesuffix("yes").strip() for row in table.splitlines() if row.endswith(" yes")]
    source = text_of(REPOSITORY / "lab" / "story.py") + text_of(REPOSITORY / "lab" / "__main__.py")
    assert not [row for row in rows if row.removeprefix("refused: ") not in source]
    assert f"{len(rows)} of {len(rows)} held." in table


def test_the_commands_of_runlease_that_are_named_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    usage = capsys.readouterr().out
    used = {command for body in fences(README, "sh") for command in re.findall(r"bin/runlease (\w+)", body)}
    assert used
    assert not {command for command in used if not re.search(rf"^ +{command} ", usage, re.MULTILINE)}


def test_the_other_stacks_settings_load() -> None:
    program = ast.parse(text_of(REPOSITORY / "examples" / "another-stack" / "__main__.py"))
    settings = next(
        ast.literal_eval(node.value)
        for node in program.body
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == "SETTINGS"
    )
    assert load(settings).leases


@pytest.mark.parametrize("example", ["another-stack"])
def test_an_example_in_python_is_python(example: str) -> None:
    bodies = fences(REPOSITORY / "examples" / example / "README.md", "python")
    assert bodies
    for body in [*bodies, *fences(README, "python")]:
        ast.parse(body)
