"""Opening media files, and refusing in plain words those that cannot be read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from unmask.errors import UnreadableMediaError

AnyStream = TypeVar("AnyStream", bound=Stream)

HEAD_BYTES = 4096  # enough of a file's beginning to recognise what it is
_TOP_LEVEL_BOXES = 1000  # of an MP4 file, looked at in search of its index


def read_head(path: Path) -> bytes:
    """Read the first bytes of a file.

    Raises:
        UnreadableMediaError: missing, a folder, no right to read it, or empty.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise UnreadableMediaError(f"{path}: {_why_missing(path)}") from error
    except (IsADirectoryError, PermissionError) as error:  # Windows calls a folder the latter
        what = "is a folder" if path.is_dir() else "may not be read (permission denied)"
        raise UnreadableMediaError(f"{path}: {what}.") from error
    except OSError as error:
        raise UnreadableMediaError(f"{path}: cannot be read ({error.strerror}).") from error
    if not head:
        raise UnreadableMediaError(f"{path}: is empty (0 bytes). Copy or download it again.")
    return head


def _why_missing(path: Path) -> str:
    if re.match(r"[a-z][a-z0-9+.-]+:/", path.as_posix()) or path == Path("-"):
        return "only files on this machine are read. Download it first, and name the file."
    return "there is no such file. Check the name."


def open_container(path: Path) -> InputContainer:
    """Open a video or sound file.

    Text is refused before FFmpeg sees it: a playlist would make it read other files or addresses,
    and only local files are ever followed. The `file:` prefix keeps FFmpeg from taking the name
    "12:30.mp4" for a protocol.

    Raises:
        UnreadableMediaError: see `read_head`; or its content is no such file, or lacks its index.
    """
    return _opened(path)


def open_picture(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a file for its picture, and find the stream.

    To describe a stream of H.264 FFmpeg decodes some of its frames, 15 ms of 1080p, and forgets
    them. That is left out of MP4 files whose list of frames tells how far they are out of order,
    which a decoder must know from the first one on; all else the first frame tells. Fragments have
    no such list, and the headers of other formats say less.

    Raises:
        UnreadableMediaError: see `open_container` and `picture_stream`.
    """
    if read_head(path)[4:8] == b"ftyp":
        container, stream = _picture_of(path, skip_frame="all")
        decoder = stream.codec_context
        if (decoder.has_b_frames and stream.frames) or not decoder.codec.reorder:
            return container, stream
        container.close()
    return _picture_of(path)


def _picture_of(path: Path, **options: str) -> tuple[InputContainer, VideoStream]:
    container = _opened(path, **options)
    try:
        return container, picture_stream(path, container)
    except UnreadableMediaError:
        container.close()
        raise


def _opened(path: Path, **options: str) -> InputContainer:
    if _is_text(read_head(path)):
        raise UnreadableMediaError(f"{path}: holds text, not a video or an image.")
    try:
        return av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file", **options},
            metadata_errors="replace",  # old files hold titles in old encodings
        )
    except (av.error.FFmpegError, OSError) as error:
        raise UnreadableMediaError(_why_not_opened(path)) from error


def picture_stream(path: Path, container: InputContainer) -> VideoStream:
    """Find the first moving picture that can be decoded."""
    streams = moving_pictures(container)
    decodable = [s for s in streams if s.codec_context is not None]
    if decodable:
        return decodable[0]
    if streams:
        raise UnreadableMediaError(
            f"{path}: this build of PyAV cannot decode the video's codec. Convert it, for "
            "example: ffmpeg -i IN -c:v libx264 OUT.mp4"
        )
    what = "holds sound only, no picture" if container.streams.audio else "holds no video"
    raise UnreadableMediaError(f"{path}: {what}.")


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """Video streams, less the cover of a song."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def demuxed(container: InputContainer, *streams: AnyStream) -> Iterator[Packet[AnyStream]]:
    """Read packets of `streams`, then an empty one of each, as `container.demux` does.

    PyAV stumbles at the end where the file gained a stream on the way, as broadcasts may.
    """
    try:
        yield from cast("Iterator[Packet[AnyStream]]", container.demux(*streams))
    except IndexError:
        return


def _is_text(head: bytes) -> bool:
    """Plain text: a renamed note, a web page saved as video, a playlist."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def _why_not_opened(path: Path) -> str:
    boxes = _top_level_boxes(path)
    if {"ftyp", "mdat"} & set(boxes):
        what = "has a damaged index (moov)" if "moov" in boxes else "lacks its index (moov)"
        return (
            f"{path}: {what}, without which nothing in it can be found; the recording or the "
            "download was cut off. Get a complete copy of the file."
        )
    return f"{path}: is neither a video nor an image in a format that can be read."


def _top_level_boxes(path: Path) -> list[str]:
    """Names of the outermost boxes of an MP4 or MOV file, as far as they make sense."""
    names: list[str] = []
    with path.open("rb") as file:
        while len(names) < _TOP_LEVEL_BOXES and len(header := file.read(16)) >= 8:
            size, name = int.from_bytes(header[:4], "big"), header[4:8]
            if size == 1:  # a 64-bit size follows
                size = int.from_bytes(header[8:], "big")
            if size < 8 or not name.isalnum():
                break
            names.append(name.decode("latin-1"))
            file.seek(size - len(header), 1)
    return names
