"""Still and animated images: media of one frame or a few, told apart by content, not by name.

OpenCV decodes them from bytes (it mangles non-ASCII paths on some systems). It alone reads animated
WebP and AVIF. Pictures come out upright (EXIF), 8 bits deep; transparent parts are laid over
mid-grey, which is neither skin, hair nor a shadow. Colour profiles (ICC) are not applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import UnreadableMediaError
from unmask.types import Frame, Image, VideoInfo
from unmask.video import orientation
from unmask.video.container import HEAD_BYTES

ImageFormat = Literal["jpeg", "png", "gif", "webp", "avif", "bmp", "tiff"]
Stored = Any  # a picture as OpenCV decodes it, (H, W) or (H, W, C), BGR, 8 or 16 bits

_BACKDROP = 128  # grey under transparent parts
_MAY_BE_TRANSPARENT = {"png", "webp", "avif", "tiff"}
_CHUNK_BYTES = 256 << 20  # decoded animation frames held at a time
_UNSAID_DURATION_MS = 100  # browsers show a frame that long when its file says 0
_MAGIC: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)


def image_format(head: bytes) -> ImageFormat | None:
    """Recognise an image by the first bytes of its file; None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if _brands(head) & {b"avif", b"avis"}:
        return "avif"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


def is_heif(head: bytes) -> bool:
    """Whether a file is HEIC, which no library of ours decodes whole."""
    return bool(_brands(head) & {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})


def probe_image(path: Path) -> VideoInfo:
    """Describe a still or animated image.

    Raises:
        UnreadableMediaError: if no picture can be decoded from it.
    """
    data = path.read_bytes()
    found = _format_of(path, data)
    if _is_animated(data, found):
        (height, width), durations = _Animation(path, data).measure()
        if len(durations) > 1:
            return VideoInfo(
                path=path,
                kind="animation",
                width_px=width,
                height_px=height,
                fps=len(durations) / sum(durations, Fraction(0)),
                duration_s=float(sum(durations)),
                n_frames=len(durations),
                variable_frame_rate=len(set(durations)) > 1,
                codec=found,
                pixel_format="rgb24",
            )
    picture, turned = _decode_still(path, data, found)
    return VideoInfo(
        path=path,
        kind="image",
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        fps=None,
        duration_s=0.0,
        n_frames=1,
        rotation_deg=orientation.clockwise_deg(turned),
        codec=found,
        pixel_format="rgb24",
    )


class ImageSource:
    """The frames of one image file in order; `lost` says what could not be decoded."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self.aim_s = 0.0  # the next wanted time; an image has nothing to skip to
        self.wanted_s: Sequence[float] | None = None
        self.lost: str | None = None

    def __iter__(self) -> Iterator[tuple[float, Image]]:
        path = self._info.path
        data = path.read_bytes()
        if self._info.kind == "image":
            yield 0.0, _decode_still(path, data, _format_of(path, data))[0]
            return
        animation = _Animation(path, data)
        for frame in animation.frames():
            yield frame.t_s, frame.rgb
        if animation.cut:
            self.lost = f"the animation breaks off after {animation.end_s:.2f} s"

    def rgb(self, picture: Image) -> Image:
        """Return the picture, which is RGB already."""
        return picture

    def close(self) -> None:
        """Do nothing: the file was read whole and closed."""


class _Animation:
    """Decodes an animation in chunks, so that memory does not grow with its length."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._buffer = np.frombuffer(data, np.uint8)
        self.cut = False  # known after a full pass
        self.end_s = 0.0

    def frames(self) -> Iterator[Frame]:
        """Yield every frame at the time its predecessors' durations add up to."""
        ms = 0
        for picture, duration_ms in self._chunks():
            yield Frame(t_s=ms / 1000, rgb=_to_rgb(picture))
            ms += duration_ms
            self.end_s = ms / 1000

    def measure(self) -> tuple[tuple[int, int], list[Fraction]]:
        """Decode everything once: (height, width), and for how many seconds each frame is shown."""
        shape, durations = (0, 0), []
        for picture, ms in self._chunks():
            shape = (picture.shape[0], picture.shape[1])
            durations.append(Fraction(ms, 1000))
        return shape, durations

    def _chunks(self) -> Iterator[tuple[Stored, int]]:
        start, count = 0, 1  # the first frame tells how many fit in a chunk
        while True:
            complete, chunk = self._decode(start, count)
            for picture, ms in zip(chunk.frames, chunk.durations, strict=True):
                yield picture, int(ms) or _UNSAID_DURATION_MS
            self.cut = self.cut or (not complete and len(chunk.frames) > 0)
            if len(chunk.frames) < count:
                return
            start += count
            count = max(1, _CHUNK_BYTES // chunk.frames[0].nbytes)

    def _decode(self, start: int, count: int) -> tuple[bool, cv2.Animation]:
        with _opencv(self._path):
            return cv2.imdecodeanimation(self._buffer, start, count)


def _decode_still(path: Path, data: bytes, found: ImageFormat) -> tuple[Image, int]:
    """Decode to upright RGB; also give the EXIF orientation that was undone."""
    buffer = np.frombuffer(data, np.uint8)
    stored: Stored = None
    with _opencv(path):
        decoded, kinds, blocks = cv2.imdecodeWithMetadata(
            buffer, flags=cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if found in _MAY_BE_TRANSPARENT:
            stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise UnreadableMediaError(_damaged(path))
    rgb = cast(Image, decoded)
    if stored is not None and stored.ndim == 3 and stored.shape[2] == 4:
        rgb = _over_backdrop(rgb, stored[..., 3] / _full_scale(stored, found))
    turned = orientation.UPRIGHT
    for kind, block in zip(kinds, blocks, strict=True):
        if kind == cv2.IMAGE_METADATA_EXIF:
            turned = orientation.from_exif(np.asarray(block).tobytes())
    return orientation.upright(rgb, turned), turned


def _to_rgb(picture: Stored) -> Image:
    """RGB of one animation frame: grey, BGR or BGRA, of 8 or 16 bits."""
    if picture.dtype != np.uint8:
        picture = np.asarray(picture >> 8, np.uint8)
    if picture.ndim == 2:
        return np.ascontiguousarray(np.repeat(picture[..., None], 3, axis=2))
    if picture.shape[2] == 4:
        rgb = np.ascontiguousarray(picture[..., 2::-1])
        return _over_backdrop(rgb, picture[..., 3] / 255.0)
    return np.ascontiguousarray(picture[..., ::-1])


def _over_backdrop(rgb: Image, opacity: NDArray[Any]) -> Image:
    if opacity.min() >= 1.0:
        return rgb
    mixed = _BACKDROP + (rgb.astype(np.float32) - _BACKDROP) * opacity[..., None]
    return cast(Image, np.rint(mixed).astype(np.uint8))


def _full_scale(stored: Stored, found: ImageFormat) -> float:
    """The value of a fully opaque pixel; 10 and 12-bit AVIF is not stretched to 16 bits."""
    if stored.dtype == np.uint8:
        return 255.0
    if found == "avif":
        return 1023.0 if int(stored[..., 3].max()) < 1024 else 4095.0
    return 65535.0


def _is_animated(data: bytes, found: ImageFormat) -> bool:
    """Whether the file may hold several pictures; only then is it worth decoding as animation."""
    if found == "webp":
        return data[12:16] == b"VP8X" and bool(data[20:21] and data[20] & 0x02)
    if found == "png":
        return b"acTL" in data[: max(0, data.find(b"IDAT"))]
    return found == "gif" or b"avis" in _brands(data[:HEAD_BYTES])


def _brands(head: bytes) -> set[bytes]:
    """Brands that an ISO media file (MP4, AVIF, HEIC) names in its first box."""
    if head[4:8] != b"ftyp":
        return set()
    box = head[8 : int.from_bytes(head[:4], "big")]
    return {box[:4]} | {box[i : i + 4] for i in range(8, len(box) - 3, 4)}


def _format_of(path: Path, data: bytes) -> ImageFormat:
    found = image_format(data[:HEAD_BYTES])
    if found is None:  # replaced between probing and reading
        raise UnreadableMediaError(_damaged(path))
    return found


def _damaged(path: Path) -> str:
    return (
        f"{path}: the picture cannot be decoded; the file is damaged or cut short. "
        "Copy or download it again, or open it in an image program and save it anew."
    )


@contextmanager
def _opencv(path: Path) -> Iterator[None]:
    """Name the file in OpenCV's errors, and keep its remarks on damage off the terminal."""
    try:
        with _SILENCE:
            yield
    except cv2.error as error:
        raise UnreadableMediaError(_damaged(path)) from error


class _Silence:
    """Silences OpenCV's log, which is one for all threads, while any of them is in here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside, self._level = 0, 0

    def __enter__(self) -> None:
        logging = cv2.utils.logging
        with self._lock:
            if not self._inside:
                self._level = logging.getLogLevel()
                logging.setLogLevel(logging.LOG_LEVEL_SILENT)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                cv2.utils.logging.setLogLevel(self._level)


_SILENCE = _Silence()
