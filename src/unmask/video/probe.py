"""What a media file is.

A container's header is believed where it speaks and measured where it is silent (duration of a
live recording) or known to mislead (frame rate, variable or not): by the time stamps of the first
packets, without decoding them. One frame is decoded, which proves that the file can be.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from unmask.errors import UnreadableMediaError
from unmask.types import VideoInfo
from unmask.video import images, orientation
from unmask.video.aspect import pixel_aspect, square_size
from unmask.video.container import (
    demuxed,
    moving_pictures,
    open_container,
    open_picture,
    picture_stream,
    read_head,
)

_LISTED = 0.9  # of the duration, that a list of pictures must reach to be whole
_TIMING_PACKETS = 256  # looked at to learn the frame rate and whether it varies
_UNSETTLED = 16  # last of those whose neighbours may still be missing (frames are stored reordered)
_JITTER = Fraction(1, 10)  # of a frame's duration: more than rounding, less than a lost frame
_ODD_STEPS = 2  # between frames, that a constant rate may have,
_ODD_SHARE = Fraction(1, 50)  # or this share of all
_RATE_TOLERANCE = Fraction(1, 100)  # declared against measured rate, over rounded time stamps


def probe(path: Path) -> VideoInfo:
    """Describe a video, an animation or a still image.

    Raises:
        UnreadableMediaError: missing, a folder, empty, not media, cut before its index, sound
            only, or nothing can be decoded from it; the message says which and what to do.
    """
    head = read_head(path)
    if images.image_format(head):
        return images.probe_image(path)
    if images.is_heif(head):
        raise UnreadableMediaError(
            f"{path}: HEIC pictures cannot be read. Save it as JPEG or PNG and try again."
        )
    container, stream = open_picture(path)
    with container:
        return _describe(path, container, stream)


def first_frame_time(path: Path) -> Fraction:
    """The container's own time of the first frame, our 0; without a picture, of the first sound."""
    with open_container(path) as container:
        if not moving_pictures(container):
            return Fraction(container.start_time or 0, av.time_base)
        stream = picture_stream(path, container)
        first = _scan(path, container, stream, 1).first
        return (first.pts or 0) * (stream.time_base or Fraction(0))


@dataclass(frozen=True, kw_only=True)
class _Scan:
    """What a look through the beginning of a stream showed; all of it where `whole`."""

    first: av.VideoFrame
    pts: list[int]  # of the packets, in order of presentation
    n_packets: int
    whole: bool

    @property
    def clock_stands(self) -> bool:
        """Whether all frames claim one moment: the stamps, and lengths by them, tell nothing."""
        return len(set(self.pts)) == 1 < self.n_packets


def _describe(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    declared_s = _declared_duration(container, stream)
    scan = _scan(path, container, stream, _TIMING_PACKETS if declared_s is not None else None)
    if scan.clock_stands:
        n_packets = max(scan.n_packets, stream.frames)
        scan, declared_s = replace(scan, pts=[], n_packets=n_packets), None
    variable, rate = _timing(scan, stream)
    turned = orientation.of_frame(scan.first)
    sides = square_size(scan.first.width, scan.first.height, pixel_aspect(stream))
    width, height = reversed(sides) if orientation.swaps_sides(turned) else sides
    audio = next((s for s in container.streams.audio if s.codec_context is not None), None)
    duration_s = _measured_duration(scan, stream, rate) if declared_s is None else declared_s
    return VideoInfo(
        path=path,
        kind="video",
        width_px=width,
        height_px=height,
        fps=rate,
        duration_s=duration_s,
        n_frames=stream.frames or (scan.n_packets if scan.whole else None),
        rotation_deg=orientation.clockwise_deg(turned),
        variable_frame_rate=variable,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=scan.first.format.name,
        has_audio=audio is not None,
        audio_rate_hz=audio.rate if audio else None,
        key_times_s=_key_times(stream, duration_s),
    )


def _key_times(stream: VideoStream, duration_s: float) -> tuple[float, ...]:
    """When the pictures are shown that need no other, if the container lists them all.

    A list is by the order of decoding, and its first picture that is shown is our 0. Containers
    that list nothing by themselves know what was read so far, which ends long before the file.
    """
    listed = [(e.timestamp, e.is_keyframe) for e in stream.index_entries if not e.is_discard]
    if not listed or stream.time_base is None:
        return ()
    tick_s, first = float(stream.time_base), listed[0][0]
    if (listed[-1][0] - first) * tick_s < _LISTED * duration_s:
        return ()
    return tuple(sorted((stamp - first) * tick_s for stamp, is_key in listed if is_key))


def _declared_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds from the first frame to the end of the last, by the header; None where it is silent.

    A container's own duration counts from time zero and covers every stream.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        start = (stream.start_time or 0) * (stream.time_base or 0)
        end = Fraction(container.duration, av.time_base)
        return max(0.0, float(min(end, _tagged_end(stream) or end) - start))
    return None


def _tagged_end(stream: VideoStream) -> Fraction | None:
    """Where Matroska's own tag says the picture ends, before sound that outlasts it."""
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    hours, minutes, seconds = map(Fraction, tag.groups())
    return hours * 3600 + minutes * 60 + seconds or None


def _measured_duration(scan: _Scan, stream: VideoStream, rate: Fraction | None) -> float:
    """The same by the packets' time stamps, or their number in a stream that has no stamps."""
    frame_s = 1 / rate if rate else Fraction(0)
    if not scan.pts:
        return float(scan.n_packets * frame_s)
    return float((scan.pts[-1] - scan.pts[0]) * (stream.time_base or 0) + frame_s)


def _scan(
    path: Path, container: InputContainer, stream: VideoStream, at_least: int | None
) -> _Scan:
    """Decode the first frame and collect the time stamps of `at_least` packets, or of all."""
    first: av.VideoFrame | None = None
    pts: list[int] = []
    n_packets = 0
    whole = False
    try:
        for packet in demuxed(container, stream):
            first = first or _first_of(packet)
            if packet.size and not packet.is_discard:
                n_packets += 1
                pts += [] if packet.pts is None else [packet.pts]
            if first and at_least is not None and n_packets >= at_least:
                break
        else:
            whole = True
    except (av.error.FFmpegError, OSError):
        pass  # damaged further on; the beginning still counts
    if first is None:
        raise UnreadableMediaError(
            f"{path}: not a single frame could be decoded; the file is damaged or encrypted. "
            "Copy or download it again."
        )
    return _Scan(first=first, pts=sorted(set(pts)), n_packets=n_packets, whole=whole)


def _first_of(packet: Packet[VideoStream]) -> av.VideoFrame | None:
    try:
        return next(iter(packet.decode()), None)
    except av.error.FFmpegError:  # damaged; a later packet may do
        return None


def _timing(scan: _Scan, stream: VideoStream) -> tuple[bool, Fraction | None]:
    """Whether the frame rate varies, and the exact rate: declared ones are checked by the stamps.

    Headers state up to three rates and any of them may be wrong. Where the rate varies, the
    average counts. A few odd steps are damage or dropped frames, no variable rate.
    """
    declared = [r for r in (stream.guessed_rate, stream.average_rate, stream.base_rate) if r]
    pts = scan.pts if scan.whole else scan.pts[:-_UNSETTLED]
    steps = [after - before for before, after in itertools.pairwise(pts)]
    if not steps or stream.time_base is None:
        return False, (declared[0] if declared else None)
    usual = sorted(steps)[len(steps) // 2]
    tolerance = max(Fraction(2), usual * _JITTER)
    regular = [step for step in steps if abs(step - usual) <= tolerance]
    if len(steps) - len(regular) > max(Fraction(_ODD_STEPS), len(steps) * _ODD_SHARE):
        counted = stream.average_rate if stream.frames else None  # over the whole index
        return True, counted or Fraction(len(steps), pts[-1] - pts[0]) / stream.time_base
    measured = Fraction(len(regular), sum(regular)) / stream.time_base
    near = (rate for rate in declared if abs(rate - measured) <= measured * _RATE_TOLERANCE)
    return False, next(near, measured)
