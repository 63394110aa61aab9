"""What samples are drawn from: labelled people (or scenes), and which of their frames form a clip.

A source says when its people were seen (`times`) without decoding a pixel, so that a clip is chosen
first and only its frames are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from unmask.clips.mel import Sound, sound_view
from unmask.datasets.augmented import Mask
from unmask.datasets.learned import Learned
from unmask.datasets.splits import split_rows
from unmask.types import AudioSpec, Face, Frame, InputSpec, Track

Target = Literal["any", "picture", "sound"]  # what makes a video a fake
Sights = Sequence[Face] | Sequence[Frame]
Places = tuple[int, ...]  # of a clip's frames among the sightings of a row
Rows = NDArray[np.int64]
Landmarks = NDArray[np.float32]  # (5, 2) x, y
Cut = Callable[..., list[tuple[Frame, ...]]]  # windows or every_window, of clips/windows.py

_NO_PIXELS = np.empty((0, 0, 3), np.uint8)


class Source(Protocol):
    """Labelled tracks or scenes, whatever they are read from."""

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 = fake, for every row."""
        ...

    @property
    def originals(self) -> Sequence[str]:
        """Id of the real recording that every row comes from."""
        ...

    @property
    def methods(self) -> Sequence[str]:
        """How every row was forged."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: Rows) -> Source:
        """Return some of the rows."""
        ...

    def serving(self, spec: InputSpec) -> Source:
        """Return the rows that a system can learn from."""
        ...

    def halves(self, calib_share: float) -> tuple[Rows, Rows]:
        """Divide rows to learn from and rows to choose on; kin stay together."""
        ...

    def times(self, row: int) -> Sequence[float]:
        """When the sightings of a row were made, in order, seconds."""
        ...

    def face_stride(self, row: int, spec: InputSpec) -> int:
        """How many sightings lie from one frame of a system's clip to the next."""
        ...

    def sights(self, row: int, places: Places) -> Sights:
        """Decode some sightings of a row."""
        ...

    def landmarks(self, row: int, faces: Sequence[Face]) -> Sequence[Landmarks]:
        """Where the landmarks of faces of a row lie, (5, 2) each, in the pixels of their crops."""
        ...

    def masks(self, row: int, places: Places) -> Sequence[Mask] | None:
        """Where the same sightings are forged, in the pixels of their crops; None = not known."""
        ...

    def sound(self, row: int, start_s: float, spec: AudioSpec) -> NDArray[np.float32] | None:
        """Samples from a time on, at the rate and of the length `spec` wants; None = no sound."""
        ...

    def digest(self) -> str:
        """Return a hash of all that is learned from."""
        ...

    def learned(self) -> Learned:
        """Return what a checkpoint that learns from this is to remember."""
        ...


class WholeTracks:
    """The part of a `Source` that follows from tracks which are read as a whole, without sound."""

    labels: NDArray[np.int8]
    originals: Sequence[str]

    def track(self, row: int) -> Track:
        """Return the faces of one row."""
        raise NotImplementedError

    def serving(self, spec: InputSpec) -> Self:  # noqa: ARG002
        """All rows."""
        return self

    def learned(self) -> Learned:
        """Remember the recordings."""
        return Learned.of_crops(self.originals)

    @property
    def methods(self) -> Sequence[str]:
        """Not known: one for all fakes."""
        return ["fake" if label else "original" for label in self.labels]

    def halves(self, calib_share: float) -> tuple[Rows, Rows]:
        """Divide rows by recording."""
        return split_rows(self.originals, calib_share)

    def times(self, row: int) -> Sequence[float]:
        """When the faces of a row were seen."""
        return [face.t_s for face in self.track(row).faces]

    def face_stride(self, row: int, spec: InputSpec) -> int:  # noqa: ARG002
        """Faces in a row follow one another."""
        return 1

    def sights(self, row: int, places: Places) -> Sequence[Face]:
        """Return some faces of a row."""
        faces = self.track(row).faces
        return [faces[place] for place in places]

    def landmarks(self, row: int, faces: Sequence[Face]) -> Sequence[Landmarks]:  # noqa: ARG002
        """Where the faces say."""
        return stated_landmarks(faces)

    def masks(self, row: int, places: Places) -> Sequence[Mask] | None:  # noqa: ARG002
        """Not known."""
        return None

    def sound(self, row: int, start_s: float, spec: AudioSpec) -> NDArray[np.float32] | None:  # noqa: ARG002
        """Pictures have none."""
        return None


def stated_landmarks(faces: Sequence[Face]) -> list[Landmarks]:
    """Return the landmarks that faces carry, (5, 2) each, in the pixels of their crops."""
    return [face.landmarks_px - np.asarray(face.crop_origin_px, np.float32) for face in faces]


def places_of_clips(
    cut: Cut, times_s: Sequence[float], spec: InputSpec, stride: int
) -> list[Places]:
    """Say which sightings form clips, as a scan cuts them (`windows`) or from any start on."""
    sketch = [Frame(t_s=t_s, rgb=_NO_PIXELS) for t_s in times_s]
    number = {id(frame): place for place, frame in enumerate(sketch)}
    clips = cut(sketch, spec.n_frames, stride=stride)
    return [tuple(number[id(frame)] for frame in clip) for clip in clips]


def heard(source: Source, row: int, places: Places, spec: InputSpec) -> Sound:
    """Make the sound of a clip, from its first frame on, as a scan does."""
    assert spec.audio is not None, "only systems that listen are given sound"
    start_s = source.times(row)[places[0]]
    samples = source.sound(row, start_s, spec.audio)
    return sound_view(np.zeros(0, np.float32) if samples is None else samples, spec.audio)
