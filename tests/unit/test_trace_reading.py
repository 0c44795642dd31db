"""PostgreSQL's logs in every format, whole or not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import zstandard

from runlease.evidence.trace import Question
from runlease.evidence.trace.clock import Clock
from runlease.evidence.trace.files import PIECE
from runlease.readers.error import ReadError
from tests.unit.trace_logs import (
    LOGIN,
    NOON,
    OTHER,
    WRITERS,
    Line,
    Logs,
    created,
    csvlog,
    dropped,
    jsonlog,
    plain,
    statement,
    taken,
    texts,
)

EVERY_FORMAT = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
WEB = "SELECT run_id, 'a \"quoted\" text\nof two lines' FROM runs"


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    made = Logs(tmp_path)
    made.vault(taken())
    yield made
    made.close()


@EVERY_FORMAT
def test_statements_of_leased_logins_alone_are_found_in_order(logs: Logs, writer: type) -> None:
    lines = [created(), statement(2, "SELECT b"), statement(3, WEB, "web"), statement(1, "SELECT a"), dropped()]
    logs.server(writer(lines))
    answer = logs.ask()
    assert texts(answer) == ["SELECT a", "SELECT b"]
    assert not answer.findings
    assert not answer.partial
    assert answer.lives[LOGIN].outcome == "dropped"


@EVERY_FORMAT
def test_a_statement_of_many_lines_and_quotes_is_one_entry(logs: Logs, writer: type) -> None:
    text = 'SELECT "a",\n\n\t"run_x"\nFROM t'
    logs.server(writer([statement(1, text), statement(2, "SELECT 2, b")]))
    assert texts(logs.ask()) == [text, "SELECT ?, b"]


@EVERY_FORMAT
def test_an_entry_that_lies_across_two_pieces_is_whole(logs: Logs, writer: type) -> None:
    filler = writer([statement(0, "SELECT 'x'", "web")])
    many = PIECE // len(filler)
    for shift in (0, 90, 210, 330):
        logs.postgres.clear()
        long = Line(0, "x" * shift, "web")
        logs.server(filler * (many - 1) + writer([long, statement(1, "SELECT\na,\nb"), statement(2, "SELECT c")]))
        assert texts(logs.ask()) == ["SELECT\na,\nb", "SELECT c"]


@EVERY_FORMAT
def test_an_error_has_its_statement(logs: Logs, writer: type) -> None:
    error = Line(1, "division by zero", severity="ERROR", statement="SELECT 1/0", code="22012")
    logs.server(writer([error]))
    (event,) = logs.ask().events
    assert (event.kind, event.text) == ("error", "SELECT ?/?")
    assert event.error.endswith("division by zero")


@EVERY_FORMAT
def test_durations_join_their_statements(logs: Logs, writer: type) -> None:
    lines = [
        statement(1, "SELECT a"),
        statement(1, "SELECT z", session="6b05f113.2"),
        Line(2, "duration: 12.5 ms"),
        Line(3, "duration: 0.25 ms  execute <unnamed>: SELECT b"),
        Line(3, "duration: 0.1 ms  bind <unnamed>: SELECT b"),
    ]
    logs.server(writer(lines))
    found = [(event.text, event.milliseconds) for event in logs.ask().events]
    assert found == [("SELECT a", 12.5), ("SELECT z", None), ("SELECT b", 0.25)]


@EVERY_FORMAT
def test_pgaudit_speaks_between_a_statement_and_its_duration(logs: Logs, writer: type) -> None:
    said = "AUDIT: SESSION,1,1,READ,SELECT,TABLE,app.orders,SELECT a,<not logged>,7"
    logs.server(writer([statement(1, "SELECT a"), Line(1, said), Line(2, "duration: 12.5 ms")]))
    found = [(str(event.kind), event.milliseconds) for event in logs.ask().events]
    assert found == [("statement", 12.5), ("audit", None)]


@EVERY_FORMAT
def test_pgaudit_names_the_object_and_the_rows(logs: Logs, writer: type) -> None:
    said = 'AUDIT: SESSION,1,1,READ,SELECT,TABLE,app.orders,"select ""a"", \'x\' from orders",<not logged>,7'
    logs.server(writer([Line(1, said)]))
    (event,) = logs.ask(question=Question(table="app.orders")).events
    assert (event.table, event.rows, event.text) == ("app.orders", 7, 'select "a", ? from orders')


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
@EVERY_FORMAT
def test_compressed_and_rotated_files_in_any_order_are_one_log(logs: Logs, writer: type, pack: type) -> None:
    logs.server(pack(writer([statement(2, "SELECT b"), dropped()])))
    logs.server(writer([statement(3, "SELECT c")]))
    logs.server(pack(writer([created(), statement(1, "SELECT a")])))
    answer = logs.ask()
    assert texts(answer) == ["SELECT a", "SELECT b", "SELECT c"]
    assert not answer.findings
    assert not answer.partial


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gz", "zst"])
def test_a_compressed_file_that_is_cut_is_read_as_far_as_it_goes(logs: Logs, pack: type) -> None:
    content = pack(csvlog([statement(number, f"SELECT a{number}") for number in range(2000)]))
    logs.server(content[: len(content) // 2])
    answer = logs.ask()
    assert "ends in the middle of an entry" in answer.notes[0]
    assert len(texts(answer)) < 2000


@EVERY_FORMAT
def test_a_cut_last_line_is_a_note_and_no_fault(logs: Logs, writer: type) -> None:
    logs.server(writer([statement(1, "SELECT a"), statement(2, "SELECT 'b'")])[:-40])
    answer = logs.ask()
    assert texts(answer)[0] == "SELECT a"
    assert answer.partial == []


@pytest.mark.parametrize("writer", [csvlog, jsonlog], ids=["csvlog", "jsonlog"])
def test_a_broken_entry_is_counted_and_those_after_it_are_read(logs: Logs, writer: type) -> None:
    whole = writer([statement(1, "SELECT 'a'")])
    broken = whole[: whole.index(b"statement") + 5] + b"\n"  # inside of quotes
    logs.server(writer([statement(0, "SELECT z")]) + broken + writer([statement(2, "SELECT b")]))
    answer = logs.ask()
    assert texts(answer) == ["SELECT z", "SELECT b"]
    assert "1 broken entries" in answer.partial[0]


def test_a_plain_line_whose_prefix_is_broken_is_counted(logs: Logs) -> None:
    broken = plain([statement(1, "SELECT a")]).replace(b",sess=", b"")
    logs.server(plain([statement(0, "SELECT z")]) + broken + plain([statement(2, "SELECT b")]))
    answer = logs.ask()
    assert texts(answer) == ["SELECT z", "SELECT b"]
    assert "1 broken entries" in answer.partial[0]


def test_text_inside_a_statement_is_never_an_entry(logs: Logs) -> None:
    forged = csvlog([statement(9, "DROP TABLE t", OTHER)]).decode()
    logs.server(csvlog([statement(1, f"SELECT a\n{forged}"), statement(2, "SELECT b", "web")]))
    assert [event.login for event in logs.ask().events] == [LOGIN]
    logs.postgres.clear()
    forged = plain([statement(9, "DROP TABLE t", OTHER)]).decode()
    logs.server(plain([statement(1, f"SELECT a\n{forged}"), statement(2, f"SELECT b\n{forged}", "web")]))
    assert [event.login for event in logs.ask().events] == [LOGIN]


def test_another_prefix_can_be_declared(logs: Logs) -> None:
    line = f"{LOGIN}@shop 2026-11-24 13:00:00.000 +01 [42:3] 00000 LOG:  statement: SELECT a\n"
    logs.server(
        f"2026-11-24 13:00:00.000 +01 checkpoint\n@ 2026-11-24 13:00:00 +01 [1:1] 00000 LOG:  x\n{line}".encode()
    )
    answer = logs.ask(prefix="%u@%d %m [%p:%l] %e ")
    assert [(event.at, event.text) for event in answer.events] == [(NOON, "SELECT a")]


def test_the_prefix_of_rds_is_one(logs: Logs) -> None:
    line = f"2026-11-24 12:00:00 UTC:10.0.0.1(4711):{LOGIN}@shop:[42]:LOG:  statement: SELECT a"
    logs.server(f"2026-11-24 12:00:00 UTC::@:[7]:LOG:  checkpoint starting: run_x\n{line}\n".encode())
    answer = logs.ask(prefix="%t:%r:%u@%d:[%p]:")
    assert [(event.at, event.database, event.text) for event in answer.events] == [(NOON, "shop", "SELECT a")]
    assert answer.partial == []


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("%u ", "it has no time"),
        ("%m [%p] ", "it has no user"),
        ("%m %a %u ", "%a stands before %u"),
        ("%m %u %Z ", "unknown escapes (got %Z)"),
    ],
)
def test_a_prefix_that_cannot_be_trusted_is_refused(logs: Logs, prefix: str, problem: str) -> None:
    with pytest.raises(ReadError, match=r"^--log-line-prefix: .*Fix: ") as refused:
        logs.ask(prefix=prefix)
    assert problem in str(refused.value)


def test_a_log_of_another_format_is_refused_with_the_fix(logs: Logs) -> None:
    logs.server(b"10.0.0.1 - - [24/Nov/2026] GET / run_reader_aaaaaaaaaaaa\n")
    with pytest.raises(ReadError, match=r"no line has a format that was tried .* Fix: --log-line-prefix"):
        logs.ask()


@EVERY_FORMAT
def test_a_zone_that_means_several_must_be_named(logs: Logs, writer: type) -> None:
    logs.server(writer([statement(3600, "SELECT a")]).replace(b" UTC", b" CET"))
    with pytest.raises(ReadError, match=r"got 'CET'.* Fix: --time-zone"):
        logs.ask()
    answer = logs.ask(clock=Clock(ZoneInfo("Europe/Berlin")))
    assert [event.at for event in answer.events] == [NOON]
    with pytest.raises(ReadError, match="is not the log's"):
        logs.ask(clock=Clock(ZoneInfo("America/New_York")))


def test_the_hour_that_comes_twice_is_told_apart_by_its_abbreviation() -> None:
    clock = Clock(ZoneInfo("Europe/Berlin"))
    summer, winter = (clock.read(f"2026-10-25 02:30:00.000 {zone}") for zone in ("CEST", "CET"))
    assert winter - summer == timedelta(hours=1)


@EVERY_FORMAT
def test_a_line_that_looks_like_the_ledgers_is_not_believed(logs: Logs, writer: type) -> None:
    logs.server(writer([created(), dropped(at=5, user=LOGIN), statement(30, "SELECT a"), dropped(at=60)]))
    answer = logs.ask()
    assert answer.lives[LOGIN].dropped == NOON + timedelta(seconds=60)
    assert [one.kind for one in answer.findings] == ["forged ledger"]


def test_an_application_name_that_looks_like_the_prefix_is_found(logs: Logs) -> None:
    said = "x,client=10.0.0.1,sess=6b05f113.9] LOG:  statement: SELECT 1"
    logs.server(plain([created(), statement(1, "DROP TABLE t", application=said)]))
    answer = logs.ask()
    assert [(one.kind, one.login) for one in answer.findings] == [("ambiguous line", LOGIN)]
    assert [event.login for event in answer.events] == [LOGIN]


def test_a_file_that_is_not_there_is_named(logs: Logs, tmp_path: Path) -> None:
    logs.postgres.append(tmp_path / "none.log")
    with pytest.raises(ReadError, match=r"none\.log: cannot be read"):
        logs.ask()


def test_an_empty_file_is_no_fault(logs: Logs) -> None:
    logs.server(b"")
    assert texts(logs.ask()) == []
