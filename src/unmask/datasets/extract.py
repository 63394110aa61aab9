"""One video -> what a preparation keeps of it: faces, sound and, on request, whole frames.

Decoding, detection and tracking are those of a scan (`pipeline/ingest.py`). A fake whose real is
known may take the real's faces instead: they are at the same places, a detector finds them more
surely there, and its time is spared. Pictures are encoded as soon as they are cut, so that memory
holds no more than what is kept.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unmask.datasets.borrow import Borrowed
from unmask.datasets.detectors import DetectorName, open_detector
from unmask.datasets.manifest import Outcome
from unmask.datasets.sampling import frame_numbers, sampling
from unmask.datasets.shelf import Row, Shelf
from unmask.datasets.sound import encode_flac
from unmask.errors import UnreadableMediaError
from unmask.faces.align import cut_face
from unmask.faces.track import Tracker
from unmask.pipeline.ingest import ingest_at
from unmask.types import Face, Frame, VideoInfo
from unmask.video.audio import read_audio
from unmask.video.decode import Reader

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is kept of every video. Two preparations with equal settings give equal files."""

    sampling: str = "evenly32"  # see sampling.py
    n_frames: int | None = None  # of a video; None = as many as the preset has
    people: Literal["all", "main"] = "all"  # main = the one seen most
    whole_frames: bool = False  # keep them too, for systems that look for no face
    lossless: bool = False  # PNG instead of JPEG
    detector: DetectorName = "mtcnn"
    boxes: Literal["original", "own"] = "original"  # whose faces a fake takes, if its real is known
    # compared: whether a fake's picture or its sound is forged is found out by its real (tampering)
    parts: Literal["given", "compared"] = "given"


@dataclass(kw_only=True)
class Spent:
    """Seconds of work."""

    decode_s: float = 0.0
    detect_s: float = 0.0  # and tracking
    write_s: float = 0.0  # encoding included

    def add(self, other: Spent) -> None:
        """Add up."""
        self.decode_s += other.decode_s
        self.detect_s += other.detect_s
        self.write_s += other.write_s


@dataclass(frozen=True, kw_only=True, eq=False)
class Kept:
    """What is kept of a video; `reason` says what is not."""

    outcome: Outcome
    reason: str = ""
    info: VideoInfo | None = None
    boxes_from: str | None = None
    tracks: tuple[list[Row], ...] = ()
    frames: tuple[Row, ...] = ()
    sound: Row | None = None
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """A video looked through; its pixels are on the shelf."""

    info: VideoInfo
    people: tuple[tuple[int, Sequence[Face]], ...]  # number, sightings in order
    asked_s: Sequence[float]  # times
    shown_s: Sequence[float]  # times of the frames that answered
    lost: str | None
    boxes_from: str | None
    spent: Spent


class Extractor:
    """Prepares video after video with one face detector. Not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sampling = sampling(settings.sampling, settings.n_frames)
        self._detector = open_detector(settings.detector)

    def __call__(
        self, video: str, path: Path, *, mask: Path | None = None, borrowed: Borrowed | None = None
    ) -> Kept:
        """Keep what there is of the file at `path`, whose id is `video`; no bad file stops it.

        Reasons do not name the file, which may lie elsewhere tomorrow.
        """
        try:
            if not path.exists():
                return Kept(outcome="missing", reason="there is no such file")
            return self._keep(video, path, mask, borrowed)
        except UnreadableMediaError as error:
            return Kept(outcome="unreadable", reason=_without(path, str(error)))
        except MemoryError:
            raise  # of this machine, not of the file
        except Exception as error:  # one strange file must not cost the others
            log.info("%s: unexpected failure", path, exc_info=True)
            told = _without(path, f"{type(error).__name__}: {error}")
            return Kept(outcome="unreadable", reason=f"could not be analysed ({told})")

    def _keep(self, video: str, path: Path, mask: Path | None, borrowed: Borrowed | None) -> Kept:
        settings = self.settings
        shelf = Shelf(video, lossless=settings.lossless, whole_frames=settings.whole_frames)
        seen = self._look_where(path, borrowed, shelf) if borrowed else None
        seen = seen or self._look(path, shelf)
        numbers = frame_numbers(seen.info, seen.asked_s, seen.shown_s)
        frame_at = dict(zip(seen.shown_s, numbers, strict=True))
        people = seen.people[:1] if settings.people == "main" else seen.people
        tracks = tuple(shelf.faces(faces, number, seen.boxes_from) for number, faces in people)
        faces = [row for track in tracks for row in track]
        for row in (*shelf.frames, *faces):
            row["frame"] = frame_at[row["t_s"]]
        sound, deaf, spent = _sound(video, path, seen.info)
        unmasked = None if mask is None else _add_masks(mask, seen, faces, shelf)
        spent.add(seen.spent)
        spent.write_s += shelf.spent_s
        reasons = (None if tracks else "no face was found", seen.lost, deaf, unmasked)
        return Kept(
            outcome="prepared" if tracks else "no_face",
            reason="; ".join(filter(None, reasons)),
            info=seen.info,
            boxes_from=seen.boxes_from,
            tracks=tracks,
            frames=tuple(shelf.frames),
            sound=sound,
            spent=spent,
        )

    def _look(self, path: Path, shelf: Shelf) -> _Seen:
        """Search the sampled frames for people."""
        asked: list[float] = []
        shown: list[float] = []

        def times_of(info: VideoInfo) -> Sequence[float]:
            asked.extend(self._sampling.times(info))
            return asked

        def watch(frame: Frame) -> None:
            shown.append(frame.t_s)
            shelf.watch(frame)

        seen = ingest_at(
            path, times_of, faces=self._detector, tracker=Tracker(keep=shelf.put), watch=watch
        )
        return _Seen(
            info=seen.info,
            people=tuple((track.id, track.faces) for track in seen.tracks),
            asked_s=asked,
            shown_s=shown,
            lost=seen.lost,
            boxes_from=None,
            spent=Spent(decode_s=seen.decode_s, detect_s=seen.detect_s - shelf.spent_s),
        )

    @staticmethod
    def _look_where(path: Path, borrowed: Borrowed, shelf: Shelf) -> _Seen | None:
        """Cut people out where they are in the real; None if the video is not like it."""
        started = time.perf_counter()
        people: defaultdict[int, list[Face]] = defaultdict(list)
        shown: list[float] = []
        with Reader(path) as reader:
            asked = borrowed.times(reader.info)
            for frame in reader.frames(asked):
                shown.append(frame.t_s)
                shelf.watch(frame)
                (number,) = frame_numbers(reader.info, asked, [frame.t_s])
                for sighting in borrowed.at(number):
                    face = cut_face(frame.rgb, sighting.detection, frame.t_s)
                    people[sighting.track].append(shelf.put(face))
            if not people:
                return None
            return _Seen(
                info=reader.info,
                people=tuple(people.items()),
                asked_s=asked,
                shown_s=shown,
                lost=reader.lost,
                boxes_from=borrowed.video,
                spent=Spent(decode_s=time.perf_counter() - started - shelf.spent_s),
            )


def _add_masks(path: Path, seen: _Seen, faces: Sequence[Row], shelf: Shelf) -> str | None:
    """Cut out of the mask's video what was cut out of the video; says why if it cannot be."""
    by_frame: defaultdict[int, list[Row]] = defaultdict(list)
    for row in faces:
        by_frame[row["frame"]].append(row)
    try:
        with Reader(path) as reader:
            sizes = [(i.width_px, i.height_px) for i in (reader.info, seen.info)]
            if sizes[0] != sizes[1]:
                return "its mask is of another size"
            for frame in reader.frames(seen.asked_s):
                (number,) = frame_numbers(seen.info, seen.asked_s, [frame.t_s])
                shelf.add_masks(by_frame[number], frame.rgb)
    except UnreadableMediaError:
        return "its mask could not be read"
    return None


def _without(path: Path, sentence: str) -> str:
    return sentence.replace(f"{path}: ", "").replace(str(path), "the file")


def _sound(video: str, path: Path, info: VideoInfo) -> tuple[Row | None, str | None, Spent]:
    """Read all of the sound: its row, or why there is none although the file says so."""
    started = time.perf_counter()
    if not info.has_audio or info.audio_rate_hz is None:
        return None, None, Spent()
    try:
        samples = read_audio(path, info.audio_rate_hz)
    except UnreadableMediaError:
        return None, "none of its sound could be decoded", Spent()
    if samples is None or not len(samples):
        return None, None, Spent()
    decoded = time.perf_counter()
    row = {
        "video": video,
        "rate_hz": info.audio_rate_hz,
        "n_samples": len(samples),
        "sound": encode_flac(samples, info.audio_rate_hz),
    }
    spent = Spent(decode_s=decoded - started, write_s=time.perf_counter() - decoded)
    return row, None, spent
