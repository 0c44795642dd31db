"""The files that Pulumi writes, piece by piece: a preview in either form, and an export of a stack.

One step is in memory at a time beside the text, because a preview of a large stack has hundreds of megabytes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runlease.readers.error import ReadError

_SPACE = re.compile(r"\s*")
_STREAM = re.compile(r'\s*\{\s*"(?:sequence|timestamp)"')
_DECODER = json.JSONDecoder()
_WRITE = "Fix: write it again with pulumi preview --json --show-sames"


@dataclass(frozen=True)
class Piece:
    """One piece of a preview."""

    kind: str
    """`step`, `error` (a diagnostic), `summary` or `end`."""
    content: Mapping[str, Any]


def previewed(path: Path) -> Iterator[Piece]:
    """The pieces of a preview, in their order; `end` comes last. Raises ReadError."""
    text = _text(path)
    try:
        yield from _stream(path, text) if _STREAM.match(text) else _digest(path, text)
    except (ValueError, RecursionError) as error:
        raise _broken(path, error) from None
    yield Piece("end", {})


def exported(path: Path) -> list[Any]:
    """The resources of `pulumi stack export`. Raises ReadError."""
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _broken(path, error, "Fix: write it again with pulumi stack export") from None
    deployment = document.get("deployment") if isinstance(document, dict) else None
    resources = deployment.get("resources", []) if isinstance(deployment, dict) else None
    if not isinstance(resources, list):
        raise ReadError(
            f"{path}: no export of a stack (got a document without deployment.resources). "
            "Fix: write it with pulumi stack export"
        )
    return resources


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ReadError(f"{path}: is no text (expected JSON in UTF-8). {_WRITE}") from None
    except OSError as error:
        raise ReadError(f"{path}: cannot be read (got {error.strerror}). Fix: name a file that exists") from None
    if not text.strip():
        raise ReadError(f"{path}: is empty (expected JSON). {_WRITE}")
    return text


def _broken(path: Path, error: Exception, fix: str = _WRITE) -> ReadError:
    if isinstance(error, ReadError):
        return error
    where = f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else "its depth"
    return ReadError(f"{path}: is no JSON, or not the whole of it (got to {where}). {fix}")


def _digest(path: Path, text: str) -> Iterator[Piece]:
    found = False
    for key, value in _members(text):
        found |= key in ("steps", "diagnostics", "changeSummary")
        match key, value:
            case "steps", {}:
                yield Piece("step", value)
            case "diagnostics", {"severity": "error"}:
                yield Piece("error", value)
            case "changeSummary", {}:
                yield Piece("summary", value)
            case "steps", _:
                raise ReadError(f"{path}: steps: has another shape than a preview's (expected mappings). {_WRITE}")
            case "deployment", _:
                raise ReadError(f"{path}: is an export of a stack (expected a preview). Fix: give it as --state")
    if not found:
        raise ReadError(f"{path}: is no preview (got a document without steps and changeSummary). {_WRITE}")


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """Key and value of the outermost mapping; of a list, each of its values. Raises ValueError."""
    place = _after(text, 0, "{")
    while text[place : place + 1] != "}":
        key, place = _DECODER.raw_decode(text, place)
        place = _after(text, _skip(text, place), ":")
        if text[place : place + 1] == "[":
            place = _skip(text, place + 1)
            while text[place : place + 1] != "]":
                value, place = _DECODER.raw_decode(text, place)
                yield str(key), value
                place = _next(text, place, "]")
            place = _skip(text, place + 1)
        else:
            value, place = _DECODER.raw_decode(text, place)
            yield str(key), value
        place = _next(text, place, "}")
    if _skip(text, place + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, place + 1)


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _after(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != sign:
        raise json.JSONDecodeError(f"Expecting {sign}", text, place)
    return _skip(text, place + 1)


def _next(text: str, place: int, end: str) -> int:
    """To the next value of a list or mapping, or to its end."""
    place = _skip(text, place)
    return place if text[place : place + 1] == end else _after(text, place, ",")


def _stream(path: Path, text: str) -> Iterator[Piece]:
    ended = False
    for line in text.splitlines():
        match json.loads(line) if line.strip() else None:
            case {"resourcePreEvent": {"metadata": {} as step}} if step.get("op") != "refresh":
                yield Piece("step", _as_in_a_digest(step))
            case {"resOutputsEvent": {"metadata": {} as step}} if step.get("op") == "refresh":
                yield Piece("step", _as_in_a_digest(step))
            case {"resOpFailedEvent": {"metadata": {} as step}}:
                yield Piece("error", step)
            case {"diagnosticEvent": {"severity": "error"} as diagnostic}:
                yield Piece("error", diagnostic)
            case {"summaryEvent": {} as summary}:
                ended = True
                yield Piece("summary", summary.get("resourceChanges") or {})
    if not ended:
        raise ReadError(f"{path}: ends without its summary (got a stream of events that was cut off). {_WRITE}")


def _as_in_a_digest(step: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": step.get("op"), "urn": step.get("urn"), "oldState": step.get("old"), "newState": step.get("new")}
