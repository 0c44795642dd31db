"""A file that is no preview and no state is refused in one message, with what to do; never with a traceback."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runlease.readers.error import ReadError
from runlease.readers.preview import read_plan, read_state
from tests.unit.resources import SECRET
from tests.unit.test_read_previews import FOLDER, STATE

STEP = {
    "op": "create",
    "urn": "urn:pulumi:prod::acme::t::n",
    "newState": {"urn": "urn:pulumi:prod::acme::t::n", "type": "t"},
}
DEEP = "[" * 200_000


def refused(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ReadError) as error:
        read_plan(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert re.search(r"\((got|expected) .*\)\. Fix: ", message)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("Previewing update (prod)", "is no JSON, or not the whole of it (got to line 1 column 1)"),
        ("{", "is no JSON"),
        ("[]", "is no JSON"),
        ("{} {}", "is no JSON"),
        ("null", "is no JSON"),
        (f'{{"steps": {DEEP}', "got to its depth"),
        (b"\xff\xfe{}", "is no text"),
        ("{}", "is no preview"),
        ('{"a": 1, "b": [1, 2]}', "is no preview"),
        ('{"steps": [1]}', "steps: has another shape"),
        ('{"steps": ["urn"]}', "steps: has another shape"),
        ('{"steps": [{}]}', "steps: has another shape"),
        ('{"steps": [{"op": 1, "urn": "u", "newState": {"urn": "u", "type": "t"}}]}', "steps: has another shape"),
        ('{"steps": [{"op": "same", "urn": "u", "newState": {"urn": "u"}}]}', "is no resource"),
        ('{"steps": [{"op": "same", "urn": "u", "newState": []}]}', "is no resource"),
        ('{"steps": [{"op": "x", "urn": "u", "oldState": {"urn": "u", "type": "t", "inputs": 1}}]}', "is no resource"),
        (json.dumps({"steps": [STEP]}), "nothing in it gives access (got 1 steps"),
        ('{"steps": [], "diagnostics": [{"severity": "error", "message": "hunter2"}]}', "failed (got 1 errors"),
        ('{"version": 3, "deployment": {"resources": []}}', "is an export of a stack"),
        ('{"sequence": 0, "timestamp": 1}', "ends without its summary"),
        ('{"sequence": 0, "timestamp": 1}\nnull\n{"summaryEvent": {}}', "nothing in it gives access"),
    ],
)  # fmt: skip
def test_what_is_no_preview_is_refused(text: str | bytes, what: str, tmp_path: Path) -> None:
    message = refused(tmp_path / "preview.json", text)
    assert what in message
    assert "hunter2" not in message


@pytest.mark.parametrize("name", ["new-writer.json", "first-stream.jsonl"])
def test_a_preview_that_is_cut_off_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    whole = (FOLDER / name).read_text().rstrip()
    ends = range(1, len(whole), len(whole) // 60)
    for end in (*ends, len(whole) - 1):
        assert refused(tmp_path / name, whole[:end])


def test_a_stream_that_is_cut_off_between_two_events_is_refused(tmp_path: Path) -> None:
    lines = (FOLDER / "first-stream.jsonl").read_text().splitlines()
    for count in range(1, len(lines), 10):
        kept = lines[:count]
        if not any("summaryEvent" in line for line in kept):
            assert "ends without its summary" in refused(tmp_path / "stream.jsonl", "\n".join(kept))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ReadError, match=r"cannot be read \(got .*\)\. Fix: "):
            read_plan(path)
        with pytest.raises(ReadError, match=r"cannot be read \(got .*\)\. Fix: "):
            read_state(path)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"deployment": None}, {"deployment": {"resources": 1}}, {"steps": []}, {"deployment": []}],
)
def test_what_is_no_state_is_refused(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReadError, match=r"state\.json: no export of a stack .*Fix: write it with pulumi stack export"):
        read_state(path)


def test_a_state_with_something_else_in_it_is_refused_without_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"deployment": {"resources": [{"secret": SECRET}]}}))
    with pytest.raises(ReadError, match="is no resource") as error:
        read_state(path)
    assert SECRET not in str(error.value)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"\xef\xbb\xbf" + STATE.read_bytes())
    assert read_state(path) == read_state(STATE)
