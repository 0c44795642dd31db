"""The entries of leased logins and of the ledger in a log, and nothing else of it: most lines are never looked at."""

from collections.abc import Generator, Iterable, Iterator

from runlease.evidence.trace.files import Opened
from runlease.evidence.trace.model import Read
from runlease.evidence.trace.postgres_formats import LEDGER, Format
from runlease.readers.error import ReadError

_LONGEST = 16 << 20
"""Bytes of one entry. A longer one is counted as broken."""
_FEW = 20
"""Logins that are looked for in each line; more are told apart once a line is read."""
_LOOKED_AT = 200
"""Lines at a file's beginning by which its format is known: the first may be the end of an entry."""


def format_of(begin: bytes, formats: Iterable[Format], where: str) -> Format | None:
    """The format of a file that begins so; None where it is empty. Raises ReadError when it is none of these."""
    lines = begin.split(b"\n")[:_LOOKED_AT]
    if not any(lines):
        return None
    tried = list(formats)
    for line in lines:
        for one in tried:
            if one.knows(line):
                return one
    first, names = lines[0][:24].decode("utf-8", "backslashreplace"), " or ".join(one.name for one in tried)
    raise ReadError(
        f"{where}: no line has a format that was tried (got {first!r} …, expected {names}). "
        "Fix: --log-line-prefix with what SHOW log_line_prefix says, or name a log of PostgreSQL"
    )


def entries(
    begin: bytes, file: Opened, form: Format, read: Read, wanted: frozenset[str] | None = None
) -> Iterator[bytes]:
    """Entries that may be of leased logins or of the ledger, whole and in order; where few are wanted, of those."""
    few = None if wanted is None or len(wanted) > _FEW else [login.encode() for login in wanted]
    block, final = begin, False
    while True:
        kept = yield from _of_block(block, form, final, few)
        if final:
            return
        cut = block.rfind(b"\n") + 1 if kept < 0 else kept
        rest = block[cut:]
        if len(rest) > _LONGEST:
            read.broken += 1
            rest = b""
        piece = file.piece()
        final = not piece
        block = rest + piece


def _of_block(block: bytes, form: Format, final: bool, few: list[bytes] | None) -> Generator[bytes, None, int]:
    """Entries; at last where the one begins that the block does not end, or -1."""
    login = ledger = -1
    position = 0
    while True:
        if login < position:
            login = _next(block, form.needle, position)
        if ledger < position:
            ledger = _next(block, LEDGER, position)
        hit = login if login < ledger else ledger
        if hit == len(block):
            return -1
        start = block.rfind(b"\n", position, hit) + 1 or position
        newline = block.find(b"\n", hit)
        if newline < 0:
            if not final:
                return start
            newline = len(block)
        passed = few is not None and _none_of(few, block, start, newline)
        if passed or not form.begins(block, start, newline):
            position = newline + 1
            continue
        end = form.extent(block, start)
        if end < 0:
            if not final:
                return start
            end = len(block)
        yield block[start:end]
        position = end


def _next(block: bytes, needle: bytes, position: int) -> int:
    found = block.find(needle, position)
    return found if found >= 0 else len(block)


def _none_of(few: list[bytes], block: bytes, start: int, end: int) -> bool:
    """Whether the line is of none of these logins, nor of the ledger."""
    if block.find(LEDGER, start, end) >= 0:
        return False
    return all(block.find(login, start, end) < 0 for login in few)
