"""The recipes of docs/pull-requests.md, run as they stand there: in a repository, with a stand-in for each host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.stack import REPOSITORY

STACK = "stacks/Pulumi.prod.yaml"
BLOCKS = re.findall(
    r"```(yaml|python)\n(.*?)```", (REPOSITORY / "docs/pull-requests.md").read_text(encoding="utf-8"), re.DOTALL
)
GITHUB, GITLAB, TEKTON, PLANNED = (yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml")
(COMMENT,) = (text for kind, text in BLOCKS if kind == "python")
RECORDED = REPOSITORY / "tests" / "data" / "previews"
PULUMI = """#!/bin/sh
printf '%s\\n' "$*" >>"$PULUMI_CALLS"
case "$*" in
  "preview "*) kept=$PREVIEW ;;
  "stack export "*) kept=state.json ;;
esac
exec sed 's/urn:pulumi:shop::/urn:pulumi:prod::/g' "$RECORDED/$kept"
"""
"""What a real CLI said of the stack `shop`, as of `prod`."""
GH = '#!/bin/sh\nprintf "%s\\n" "$*" >>"$GH_CALLS"\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A clone of a repository whose second commit lets the migrator live longer."""
    origin = tmp_path / "origin"
    (origin / "stacks").mkdir(parents=True)
    _git(origin, "init", "-q", "-b", "main")
    text = (REPOSITORY / STACK).read_text()
    _commit(origin, text)
    subprocess.run(["git", "clone", "-q", str(origin), str(tmp_path / "source")], check=True)
    longer = re.sub(r"max_ttl: \d+m", "max_ttl: 19m", text)
    assert longer != text
    _commit(tmp_path / "source", longer)
    return tmp_path / "source"


def _git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _commit(folder: Path, text: str) -> None:
    (folder / STACK).write_text(text)
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "settings")


def _run(shell: str, script: str, source: Path, **environment: str) -> tuple[int, list[str]]:
    """Its exit code, and how it called `gh`."""
    programs, calls = source.parent / "bin", source.parent / "gh-calls"
    programs.mkdir(exist_ok=True)
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**environment, "PATH": path, "GH_CALLS": str(calls), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run([shell, "-ec", script], cwd=source, env=given, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, calls.read_text().splitlines() if calls.exists() else []


def _told(path: Path) -> None:
    text = path.read_text()
    assert "longer life" in text
    assert "19m" in text


def test_github_writes_one_comment_and_ends_as_the_difference_does(source: Path) -> None:
    steps = GITHUB["jobs"]["access"]["steps"]
    diff, comment = steps[2], steps[3]
    output, summary = source.parent / "output", source.parent / "summary"
    base = _git(source, "rev-parse", "origin/main")
    where = {"BASE": base, "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    assert _run("bash", diff["run"], source, **where) == (0, [])
    _told(source / "access.md")
    assert summary.read_text() == (source / "access.md").read_text()
    assert re.fullmatch(r"code=(0|1[0-3])\n", output.read_text())
    assert diff["env"] == {"BASE": "${{ github.event.pull_request.base.sha }}"}
    code, calls = _run("bash", comment["run"], source, NUMBER="17")
    assert (code, calls) == (0, ["pr comment 17 --edit-last --create-if-none --body-file access.md"])


def test_github_fails_without_a_report(source: Path) -> None:
    (source / STACK).write_text("no: settings")
    output = source.parent / "output"
    where = {"BASE": "origin/main", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(output)}
    assert _run("bash", GITHUB["jobs"]["access"]["steps"][2]["run"], source, **where)[0] == 1


def test_tekton_comments_and_ends_as_the_difference_does(source: Path) -> None:
    (step,) = TEKTON["spec"]["pipelineSpec"]["tasks"][1]["taskSpec"]["steps"]
    report = source.parent / "access.md"
    script = step["script"].replace("/tmp/access.md", str(report))  # noqa: S108  # the container's own folder
    code, calls = _run("sh", script, source, BASE="main", NUMBER="17", REPOSITORY="shop/shop")
    assert code in (0, 10, 11, 12, 13)
    _told(report)
    assert calls == [f"pr comment 17 --repo shop/shop --edit-last --create-if-none --body-file {report}"]


@pytest.mark.parametrize(
    ("preview", "code", "told"),
    [
        ("longer-life.json", 0, "longer life"),
        ("beside.json", 13, "13 open findings"),
        ("failed.json", 1, None),
    ],
)
def test_the_planned_way_tells_what_the_plan_leads_to_and_keeps_neither_plan_nor_state(
    source: Path, preview: str, code: int, told: str | None
) -> None:
    script = PLANNED["planned"]["steps"][-1]["run"]
    pulumi, calls, summary = (source.parent / name for name in ("bin/pulumi", "pulumi-calls", "summary"))
    pulumi.parent.mkdir()
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    where = {"PULUMI_CALLS": calls, "PREVIEW": preview, "RECORDED": RECORDED, "GITHUB_STEP_SUMMARY": summary}
    assert _run("bash", script, source, **{name: str(value) for name, value in where.items()}) == (code, [])
    assert calls.read_text().splitlines() == [
        "preview --stack prod --refresh=false --json --show-sames",
        "stack export --stack prod",
    ]
    assert summary.exists() == bool(told)
    assert (told or "") in (summary.read_text() if told else "")
    assert not [path.name for path in source.glob("*.json")]


class GitLab(BaseHTTPRequestHandler):
    """Notes of one merge request."""

    notes: list[dict[str, Any]]
    asked: list[tuple[str, str, str | None]]

    def do_GET(self) -> None:  # the name that http.server looks for
        self._answer(self.notes)

    def do_POST(self) -> None:
        self.notes.append({"id": len(self.notes) + 1, **self._body()})
        self._answer({})

    def do_PUT(self) -> None:
        found = next(note for note in self.notes if note["id"] == int(self.path.rsplit("/", 1)[1]))
        found.update(self._body())
        self._answer({})

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _body(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return read

    def _answer(self, document: Any) -> None:
        self.asked.append((self.command, self.path, self.headers["PRIVATE-TOKEN"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


@contextmanager
def _gitlab() -> Iterator[tuple[str, type[GitLab]]]:
    host = type("Host", (GitLab,), {"notes": [{"id": 1, "body": "looks good"}], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api/v4", host
        server.shutdown()


def test_gitlab_keeps_one_note_up_to_date(source: Path) -> None:
    (source / "comment.py").write_text(COMMENT)
    scripts = GITLAB["access"]["script"]
    script = "\n".join(line for line in scripts if "apt-get" not in line)
    assert len(scripts) == script.count("\n") + 2
    base = _git(source, "rev-parse", "origin/main")
    with _gitlab() as (api, host):
        where = {
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_API_V4_URL": api,
            "CI_MERGE_REQUEST_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "17",
            "GITLAB_TOKEN": "glpat",
        }
        first = _run("bash", script, source, **where)
        second = _run("bash", script, source, **where)
        without = _run("bash", script, source, **{**where, "GITLAB_TOKEN": ""})
    assert first == second == without
    assert first[0] in (0, 10, 11, 12, 13)
    assert [command for command, _, _ in host.asked] == ["GET", "POST", "GET", "PUT"]
    assert {token for _, _, token in host.asked} == {"glpat"}
    assert len(host.notes) == 2
    assert "longer life" in host.notes[1]["body"]


def test_no_declared_recipe_has_a_credential_but_the_comments() -> None:
    for recipe in (GITHUB, GITLAB, TEKTON):
        text = json.dumps(recipe)
        assert not re.search(r"VAULT|PASSWORD|pulumi (up|preview)|pull_request_target", text)
    assert "--refresh=false" in json.dumps(PLANNED)
