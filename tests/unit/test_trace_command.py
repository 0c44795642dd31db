"""`runlease trace` on a command line, and its formats."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runlease.cli import main
from tests.unit.trace_logs import (
    LOGIN,
    OTHER,
    Line,
    audit_log,
    created,
    csvlog,
    dropped,
    items,
    pod,
    revoked,
    statement,
    taken,
    task_run,
)

HOSTILE = "</script><script>alert(1)</script>\x1b[2J"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments with the logs of two runs."""
    for name in ("VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    lines = [
        created(),
        created(OTHER),
        statement(1, "SELECT 'secret' FROM app.orders"),
        Line(2, 'invalid input syntax: "secret"', severity="ERROR", code="22P02", statement="SELECT 'secret'::int"),
        statement(3, f'SELECT "{HOSTILE}"', application="=cmd|calc"),
        dropped(),
    ]
    (tmp_path / "pg.csv").write_bytes(csvlog(lines))
    (tmp_path / "audit.log").write_bytes(audit_log(taken(), taken(OTHER, "other-pod"), revoked()))
    known = items(
        pod("release-1-migrate-pod", "release-1-migrate"),
        task_run("release-1-migrate", "release-1", "release-1-migrate-pod"),
    )
    (tmp_path / "kubernetes.json").write_text(json.dumps(known))
    logs = ["--postgres-log", str(tmp_path / "pg.csv"), "--audit-log", str(tmp_path / "audit.log")]
    return ["trace", *logs, "--kubernetes", str(tmp_path / "kubernetes.json")]


def test_a_run_is_told_from_login_to_drop(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--run", "release-1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("run release-1: 1 lease, 2 statements, 1 error\n")
    assert (
        f"{LOGIN}: pod release-1-migrate-pod (uid-of-release-1-migrate-pod) of ci/migrate; PipelineRun release-1"
        in told
    )
    assert "dropped at 2026-11-24T12:01:00.000Z (its token asked for a revocation at 2026-11-24T12:00:59.000Z)" in told
    assert "statement: SELECT ? FROM app.orders" in told
    assert "error: SELECT ?::int  error: 22P02 invalid input syntax: ?" in told
    assert "secret" not in told
    assert "\x1b" not in told


def test_values_are_shown_when_asked_for(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--run", "release-1", "--show-values"]) == 0
    assert "SELECT 'secret' FROM app.orders" in capsys.readouterr().out


def test_json_has_an_object_on_each_line(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--run", "release-1", "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["is"] for one in lines] == ["answer", "lease", "event", "event", "event"]
    assert lines[0]["partial"] == []
    assert (lines[1]["pipeline_run"], lines[1]["dropped"]) == ("release-1", "2026-11-24T12:01:00.000Z")
    assert lines[2]["statement"] == "SELECT ? FROM app.orders"


def test_csv_has_a_row_for_each_event_and_no_formula(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--run", "release-1", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["pipeline_run"] for row in rows] == ["release-1"] * 3
    assert rows[2]["application_name"] == "'=cmd|calc"


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)


def test_the_page_holds_everything_and_no_script(files: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main([*files, "--run", "release-1", "--format", "html", "-o", str(page)]) == 0
    text, elements = page.read_text(), _Elements()
    elements.feed(text)
    assert "script" not in elements.seen
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    assert "&lt;/script&gt;&lt;script&gt;" in text
    assert "\\x1b[2J" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "PipelineRun release-1" in text


def test_a_lease_that_did_not_end_is_drawn_to_the_last_that_is_known(files: list[str], tmp_path: Path) -> None:
    Path(files[2]).write_bytes(csvlog([created(), statement(30, "SELECT a")]))
    page = tmp_path / "page.html"
    assert main([*files, "--run", "release-1", "--format", "html", "-o", str(page)]) == 0
    assert '<rect x="0.0" width="1000.0" height="14" fill="seagreen" fill-opacity="0.5"/>' in page.read_text()


def test_a_partial_answer_says_so_first(files: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    without = files[:5]
    assert main([*without, "--run", "release-1"]) == 4
    assert capsys.readouterr().out.startswith("PARTIAL: Kubernetes was not asked")
    assert main([*without, "--run", "release-1", "--format", "csv"]) == 4
    assert capsys.readouterr().out.startswith("# PARTIAL: Kubernetes was not asked")
    page = tmp_path / "page.html"
    assert main([*without, "--run", "release-1", "--format", "html", "-o", str(page)]) == 4
    assert "PARTIAL: Kubernetes was not asked" in page.read_text()


def test_findings_are_in_the_exit_code(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--unattributed"]) == 0
    audit = Path(files[4])
    audit.write_bytes(audit_log(taken(OTHER, "other-pod")))
    assert main([*files, "--unattributed"]) == 3
    assert f"no lease: {LOGIN}: " in capsys.readouterr().out


def test_a_run_that_is_not_there_says_so(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--run", "release-9"]) == 0
    assert "Nothing: the audit log has no lease of this run." in capsys.readouterr().out
    Path(files[2]).write_bytes(csvlog([created(OTHER), statement(1, "SELECT a", OTHER)]))
    assert main([*files, "--run", "release-1"]) == 0
    assert "Nothing: these logs hold no entry of this run's logins." in capsys.readouterr().out


def test_an_empty_period_says_so(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--since", "2027-01-01"]) == 0
    told = capsys.readouterr().out
    assert "Nothing was found; these logs hold entries of leased logins from 2026-11-24T12:00:01.000Z" in told


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing is asked"),
        (["--unattributed", "--table", "t"], "--unattributed is about sessions"),
        (["--since", "2026-11-25", "--until", "2026-11-24"], "no such period"),
        (["--table", "t", "--format", "html"], "a page is of one run"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    files: list[str], arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_file_that_kubectl_did_not_print_is_refused(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[6]).write_text('{"items": [1]}')
    assert main([*files, "--run", "release-1"]) == 2
    assert "is no answer of Kubernetes" in capsys.readouterr().err
