"""Media files made on the spot with real codecs; every frame says its own number.

Written straight against PyAV and OpenCV, not with unmask's writers, so that a mistake on one side
cannot hide a mistake on the other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

BITS = 12  # of the number in the first rows of a frame
STRIPE_PX = 12  # height of that row
FINE = Fraction(1, 90_000)
DEFAULTS = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "veryfast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def numbered_frames(n_frames: int, size: tuple[int, int] = (128, 96), seed: int = 0) -> Iterator:
    """A moving texture of `size` (width, height >= 96, 32), frame k with k written in its top."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    texture = cv2.resize(noise, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    for k in range(n_frames):
        x, y = 2 * k % width, k % height
        yield with_number(texture[y : y + height, x : x + width], k)


def with_number(rgb: np.ndarray, k: int) -> np.ndarray:
    marked = rgb.copy()
    block = marked.shape[1] // BITS
    for bit in range(BITS):
        marked[:STRIPE_PX, bit * block : (bit + 1) * block] = 255 * (k >> (BITS - 1 - bit) & 1)
    return marked


def number_of(rgb: np.ndarray) -> int:
    """Read the number back; garbage if the picture is not upright."""
    block = rgb.shape[1] // BITS
    middles = rgb[STRIPE_PX // 2, block // 2 : BITS * block : block].mean(axis=1)
    return int("".join("1" if middle > 127 else "0" for middle in middles), 2)


@dataclass(frozen=True)
class Sound:
    """Silence with short clicks at `clicks_s`, on the container's clock."""

    clicks_s: Sequence[float] = (1.0,)
    starts_s: float = 0.0
    lasts_s: float = 3.0
    codec: str = "aac"
    rate_hz: int = 48_000
    layout: str = "stereo"


def write_clip(
    path: Path,
    n_frames: int = 30,
    *,
    frames: Iterable[np.ndarray] | None = None,
    size: tuple[int, int] = (128, 96),
    fps: Fraction = Fraction(25),
    times_s: Sequence[float] | None = None,
    starts_s: float = 0.0,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    turn_deg: int = 0,
    aspect: Fraction | None = None,
    sound: Sound | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode numbered frames (or `frames`); `times_s` makes the rate vary.

    `turn_deg`: the clip is stored lying down and needs this clockwise turn to stand (MP4 only).
    """
    drawn = numbered_frames(n_frames, size) if frames is None else frames
    step = FINE if times_s is not None else 1 / fps
    with av.open(str(path), "w", options=container_options or {}) as container:
        picture = container.add_stream(
            codec, rate=fps, options=DEFAULTS.get(codec, {}) | (options or {})
        )
        picture.pix_fmt = pixel_format
        picture.codec_context.time_base = step
        if aspect is not None:
            picture.codec_context.sample_aspect_ratio = aspect
        heard = _add_sound(container, sound) if sound else None
        for k, upright in enumerate(drawn):
            stored = np.ascontiguousarray(np.rot90(upright, turn_deg // 90))
            if k == 0:
                picture.height, picture.width = stored.shape[:2]
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            shown = k if times_s is None else round(times_s[k] / step)
            frame.pts, frame.time_base = shown + round(starts_s / step), step
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound:
            _encode_sound(container, heard, sound)
    if turn_deg:
        _lay_down(path, turn_deg)
    return path


def write_sound(path: Path, sound: Sound) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        _encode_sound(container, _add_sound(container, sound), sound)
    return path


def click_times(samples: np.ndarray, rate_hz: int) -> list[float]:
    """When the clicks of a `Sound` are heard."""
    loud = np.flatnonzero(np.abs(samples) > 0.2) / rate_hz
    return [t for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > 0.1]


def write_animation(path: Path, frames: Iterable[np.ndarray], durations_ms: Sequence[int]) -> Path:
    """GIF, animated PNG, WebP or AVIF, by the ending; RGB or RGBA frames."""
    animation = cv2.Animation()
    animation.frames = [_bgr(frame) for frame in frames]
    animation.durations = np.array(durations_ms)
    done, data = cv2.imencodeanimation(path.suffix, animation)
    assert done
    path.write_bytes(data.tobytes())
    return path


def write_apng(path: Path, frames: Sequence[np.ndarray]) -> Path:
    """An animated PNG chunk by chunk: grey (H, W) or (H, W, 3 or 4) of 8 or 16 bits, 0.1 s each."""
    first = frames[0]
    colour = {1: 0, 3: 2, 4: 6}[1 if first.ndim == 2 else first.shape[2]]
    bits = 8 * first.dtype.itemsize
    height, width = first.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    parts.append(chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    number = 0
    for k, frame in enumerate(frames):
        head = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0)
        rows = frame.astype(frame.dtype.newbyteorder(">")).reshape(height, -1)
        data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
        parts.append(chunk(b"fcTL", head))
        number += 1
        if k:
            data = struct.pack(">I", number) + data
            number += 1
        parts.append(chunk(b"fdAT" if k else b"IDAT", data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    return path


def write_still(path: Path, picture: np.ndarray, options: Sequence[int] = ()) -> Path:
    """An image file of an RGB, RGBA or grey picture, in the format of the ending."""
    done, data = cv2.imencode(path.suffix, _bgr(picture), list(options))
    assert done
    path.write_bytes(data.tobytes())
    return path


def exif(orientation: int, order: str = "<") -> bytes:
    """EXIF data that say nothing but an orientation (TIFF 6.0, one directory, one entry)."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def add_exif_to_jpeg(path: Path, data: bytes) -> Path:
    """Insert an APP1 segment after the start of the image."""
    jpeg, segment = path.read_bytes(), b"Exif\0\0" + data
    head = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    path.write_bytes(jpeg[:2] + head + segment + jpeg[2:])
    return path


def cut(path: Path, share: float) -> Path:
    """Keep only the first `share` of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def garble(path: Path, first: float, last: float) -> Path:
    """Overwrite the bytes between two shares of a file with noise."""
    data = bytearray(path.read_bytes())
    a, b = int(len(data) * first), int(len(data) * last)
    data[a:b] = np.random.default_rng(1).bytes(b - a)
    path.write_bytes(data)
    return path


def _bgr(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 2:
        return picture
    order = [2, 1, 0, 3][: picture.shape[2]]
    return np.ascontiguousarray(picture[..., order])


def _add_sound(container, sound: Sound):
    return container.add_stream(sound.codec, rate=sound.rate_hz, layout=sound.layout)


def _encode_sound(container, stream, sound: Sound) -> None:
    rate = sound.rate_hz
    wave = np.zeros(int(sound.lasts_s * rate), np.float32)
    burst = 0.8 * np.sin(np.arange(rate // 100) * 2 * np.pi * 2000 / rate)
    for click_s in sound.clicks_s:
        first = round((click_s - sound.starts_s) * rate)
        wave[first : first + len(burst)] = burst
    size = stream.codec_context.frame_size or 1024
    format_name, layout = stream.codec_context.format.name, stream.codec_context.layout.name
    resampler = av.AudioResampler(format=format_name, layout=layout, rate=rate)
    for first in range(0, len(wave), size):
        frame = av.AudioFrame.from_ndarray(wave[None, first : first + size], "fltp", "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first + round(sound.starts_s * rate)
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def _lay_down(path: Path, turn_deg: int) -> None:
    """Write the matrix of a clockwise turn.

    A clockwise quarter turn (y points down) shows (x, y) at (-y, x): a b / c d = 0 1 / -1 0.
    """
    write_matrix(path, {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[turn_deg])


def write_matrix(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix (a, b, c, d) of ISO/IEC 14496-12, 6.2.2, into the track header."""
    a, b, c, d = matrix
    one = 1 << 16
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes of ids, times and volume before it
    data[at : at + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, one << 14
    )
    path.write_bytes(data)
