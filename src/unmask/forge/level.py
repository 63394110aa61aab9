"""Makes the files of one source equally large, so that size and bit rate say nothing.

At equal quality a fake needs a few per cent more or fewer bytes than its real. Here the smaller
files grow: H.264 streams by filler NAL units (ITU-T H.264, 7.3.2.7, made for constant bit rates),
spread over all packets; AAC packets by zero bytes after their end; an MP4 file by a `free` box (ISO
14496-12, 8.1.2); a JPEG by fill bytes before its end marker (ITU-T T.81, B.1.1.2); a PNG by a
private chunk. Decoded pictures and sound stay the same, bit for bit.

Some slack, drawn per source, is added to all, so that the amount of filling, too, says little.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet

from unmask.errors import OutputError

MOST_SLACK = 0.1  # of the largest file

_H264_FILLER, _H264_END = b"\x0c", b"\x80"
_LEAST_FILLER = 6  # bytes: length of the unit (4), its type, its end
_BOX_HEAD = 8
_PNG_CHUNK, _PNG_HEAD = b"fiLl", 12  # ancillary, private, safe to copy
_PNG_END = b"IEND"
_JPEG_END = b"\xff\xd9"


def level(paths: Sequence[Path], rng: np.random.Generator) -> None:
    """Make files of one kind (.mp4, .jpg or .png) equally large, in place.

    Files that are so already stay untouched.

    Raises:
        OutputError: one cannot be read or written.
    """
    assert len({path.suffix for path in paths}) <= 1
    with _errors_named(paths):
        if len({_facts(path) for path in paths}) <= 1:
            return
        slack = 1 + rng.uniform(0, MOST_SLACK)
        if paths[0].suffix == ".mp4":
            _level_streams(paths, slack)
            _level_files(paths)
        elif paths[0].suffix == ".jpg":
            _grow_all(paths, _with_fill_bytes, 0, slack)
        else:
            _grow_all(paths, _with_chunk, _PNG_HEAD, slack)


def _facts(path: Path) -> tuple[int, ...]:
    """Bytes of the file and of each of its streams."""
    size = path.stat().st_size
    return (size, *stream_bytes(path).values()) if path.suffix == ".mp4" else (size,)


def stream_bytes(path: Path) -> dict[str, int]:
    """Bytes of a clip's packets, by type of stream."""
    with av.open(f"file:{path}") as container:
        total: dict[str, int] = {stream.type: 0 for stream in container.streams}
        for packet in container.demux():
            total[packet.stream.type] += packet.size
    return total


def _level_streams(paths: Sequence[Path], slack: float) -> None:
    had = [stream_bytes(path) for path in paths]
    wanted = {
        kind: int(slack * max(bytes_of.get(kind, 0) for bytes_of in had)) + _LEAST_FILLER
        for kind in ("video", "audio")
    }
    for path, bytes_of in zip(paths, had, strict=True):
        missing = {kind: wanted[kind] - size for kind, size in bytes_of.items()}
        with _replaced(path) as part:
            _refill(path, part, missing)


def _refill(source: Path, out: Path, missing: dict[str, int]) -> None:
    """Copy a clip packet by packet, adding so many bytes to each of its streams."""
    grow = {"video": _with_filler, "audio": _with_zeros}
    with (
        av.open(f"file:{source}") as clip,
        av.open(f"file:{out}", "w", options={"movflags": "faststart"}) as copy,
    ):
        streams = {s.index: copy.add_stream_from_template(s) for s in clip.streams}
        shares = {
            stream.index: _shares(missing[stream.type], _n_packets(source, stream.index))
            for stream in clip.streams
        }
        for packet in _packets(clip):
            grown = grow[packet.stream.type](bytes(packet), next(shares[packet.stream.index]))
            copied = Packet(grown)
            copied.pts, copied.dts, copied.duration = packet.pts, packet.dts, packet.duration
            copied.time_base, copied.is_keyframe = packet.time_base, packet.is_keyframe
            copied.stream = streams[packet.stream.index]
            copy.mux(copied)


def _packets(clip: InputContainer) -> Iterator[Packet[Any]]:
    return (packet for packet in clip.demux() if packet.size)


def _n_packets(source: Path, index: int) -> int:
    with av.open(f"file:{source}") as clip:
        return sum(packet.stream.index == index for packet in _packets(clip))


def _shares(total: int, n: int) -> Iterator[int]:
    """Divide bytes among packets: each none, or enough for a filler unit."""
    even, rest = divmod(total, n)
    if even < _LEAST_FILLER:
        even, rest = 0, total
    yield even + rest
    for _ in range(n - 1):
        yield even


def _with_filler(packet: bytes, n: int) -> bytes:
    if not n:
        return packet
    unit = _H264_FILLER + b"\xff" * (n - _LEAST_FILLER) + _H264_END
    return packet + len(unit).to_bytes(4, "big") + unit


def _with_zeros(packet: bytes, n: int) -> bytes:
    return packet + bytes(n)


def _level_files(paths: Sequence[Path]) -> None:
    """Append a box to each clip: their indices, too, differ by a few bytes."""
    sizes = [path.stat().st_size for path in paths]
    wanted = max(sizes) + _BOX_HEAD
    for path, size in zip(paths, sizes, strict=True):
        n = wanted - size
        with _replaced(path) as part:
            shutil.copyfile(path, part)
            with part.open("ab") as file:
                file.write(n.to_bytes(4, "big") + b"free" + bytes(n - _BOX_HEAD))


def _grow_all(
    paths: Sequence[Path], grown: Callable[[bytes, int], bytes], least: int, slack: float
) -> None:
    sizes = [path.stat().st_size for path in paths]
    wanted = int(slack * max(sizes)) + least
    for path, size in zip(paths, sizes, strict=True):
        with _replaced(path) as part:
            part.write_bytes(grown(path.read_bytes(), wanted - size))


def _with_fill_bytes(data: bytes, n: int) -> bytes:
    assert data.endswith(_JPEG_END)
    return data[: -len(_JPEG_END)] + b"\xff" * n + _JPEG_END


def _with_chunk(data: bytes, n: int) -> bytes:
    body = _PNG_CHUNK + bytes(n - _PNG_HEAD)
    chunk = (n - _PNG_HEAD).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    end = data.rindex(_PNG_END) - 4  # its length comes first
    return data[:end] + chunk + data[end:]


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A name beside a file to write its successor to, which then takes its place."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        shutil.move(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _errors_named(paths: Iterable[Path]) -> Iterator[None]:
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        named = ", ".join(str(path) for path in paths)
        raise OutputError(
            f"{named}: cannot be made equally large ({error.strerror or error}); check rights and "
            "free space, then run the same command again"
        ) from error
