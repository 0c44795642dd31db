"""Log files as they lie on a disk: plain, gz or zst, read in pieces of one size."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from runlease.readers.error import ReadError

PIECE = 1 << 20
"""Bytes that are read at once. Memory does not grow with a file."""
_PACKED = 1 << 14
"""Compressed bytes that are unpacked at once: what they become is held whole."""
Advanced = Callable[[int], None]
"""Told how many more bytes of the disk were read."""


class CutError(Exception):
    """A compressed file ends too early."""


@dataclass
class Opened:
    """A file that is read to its end once."""

    path: Path
    stream: IO[bytes]
    disk: IO[bytes]
    advanced: Advanced
    cut: bool = False
    """It was compressed, and its end is missing."""
    _at: int = field(default=0)

    def piece(self) -> bytes:
        """The next bytes, and none at the end."""
        try:
            found = self.stream.read(PIECE)
        except (EOFError, zlib.error, gzip.BadGzipFile, CutError):
            self.cut = True
            return b""
        at = self.disk.tell()
        self.advanced(at - self._at)
        self._at = at
        return found

    def lines(self) -> Iterator[bytes]:
        """Line by line, with its end."""
        rest = b""
        while piece := self.piece():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if rest:
            yield rest


@contextmanager
def opened(path: Path, advanced: Advanced) -> Iterator[Opened]:
    """Open it by what it is, not by its name. Raises ReadError."""
    try:
        with path.open("rb", buffering=0) as disk:
            begin = disk.read(4)
            disk.seek(0)
            yield Opened(path, _unpacked(path, disk, begin), disk, advanced)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read (got {error.strerror or error}). Fix: name a log file") from error


def _unpacked(path: Path, disk: IO[bytes], begin: bytes) -> IO[bytes]:
    if begin[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=disk), PIECE)
    if begin == b"\x28\xb5\x2f\xfd":
        return _zstandard(path, disk)
    return disk


def _zstandard(path: Path, disk: IO[bytes]) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise ReadError(
            f"{path}: is compressed by zstd, which needs one more package. Fix: pip install 'runlease[zst]'"
        ) from None

    class Frames(io.RawIOBase):
        """A reader of the package's own takes a cut file for a whole one."""

        def __init__(self) -> None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = b""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            while not self._ready:
                packed = (self._frame.unused_data if self._frame.eof else b"") or disk.read(_PACKED)
                if not packed:
                    if self._frame.eof:
                        return 0
                    raise CutError
                self._unpack(packed)
            count = min(len(buffer), len(self._ready))
            buffer[:count], self._ready = self._ready[:count], self._ready[count:]
            return count

        def _unpack(self, packed: bytes) -> None:
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            try:
                self._ready = self._frame.decompress(packed)
            except zstandard.ZstdError as broken:
                raise CutError from broken

    return io.BufferedReader(Frames(), PIECE)
