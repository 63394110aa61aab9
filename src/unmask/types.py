"""The values that travel between stages. Stages never import one another; they meet here.

    file -video/-> Frame -faces/-> Track -clips/-> Batch -models/-> Output -scoring/-> Verdict
         -report/-> Report

Frozen dataclasses, except `Batch`, `Output` and `Losses`, which lightning-fabric and torch.export
rebuild. Nothing here imports torch: a `Batch` holds numpy arrays until `models/base.py` turns them
into tensors.

Conventions: label 1 = fake; `p_fake` in [0, 1]; `logit` unbounded, positive = fake; images are RGB
uint8 (H, W, 3); boxes are (x0, y0, x1, y1) in pixels of the upright full-resolution frame; time is
seconds from the start of the video; `None` means absent, zero never does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Box = tuple[float, float, float, float]  # x0, y0, x1, y1, pixels of the full frame
MediaKind = Literal["video", "animation", "image"]
VerdictName = Literal["fake", "real", "undecided"]
Unit = Literal["image", "person", "video"]
Alignment = Literal["box", "dlib", "eyes"]
View = Literal["face", "frame", "none"]  # faces, whole frames, or nothing: such a system listens

# Why an answer is what it is. The keys are the public codes of the report's `reasons`.
REASONS: dict[str, str] = {
    "above_threshold": "the score is at or above the threshold for fake",
    "below_threshold": "the score is below the threshold for real",
    "between_thresholds": "the score lies between the threshold for real and the one for fake",
    "no_face": "no face was found in the sampled frames",
    "too_few_faces": "the face is visible in too few of the sampled frames",
    "face_too_small": "the face is smaller than the detector was measured on",
    "face_too_blurred": "the face is more blurred than the detector was measured on",
    "disagreement": "scores of the same face contradict one another from frame to frame",
    "too_short": "what was seen is shorter than half a clip of the detector, which looks at motion",
    "no_sound": "the detector listens, and the file has no sound that can be heard",
    "damaged_file": "the file ends early or has damaged parts; what could be read was scored",
    "untrained": "the weights are untrained: the scores mean nothing",
    "uncalibrated": "the detector has no measured thresholds",
}


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a container says about itself, measured where the container is silent."""

    path: Path
    kind: MediaKind
    width_px: int  # upright, after rotation
    height_px: int
    fps: Fraction | None  # average rate, exact; None for stills
    duration_s: float  # 0.0 for stills
    n_frames: int | None  # as declared; None when the container does not say
    rotation_deg: int = 0  # clockwise turn that makes the stored picture upright
    variable_frame_rate: bool = False
    codec: str = ""
    pixel_format: str = ""
    has_audio: bool = False
    audio_rate_hz: int | None = None
    key_times_s: tuple[float, ...] = ()  # of pictures that need no other; empty where not listed


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One decoded, upright picture and the time the container gives it."""

    t_s: float
    rgb: Image


@dataclass(frozen=True, kw_only=True)
class FaceQuality:
    """How much a face can tell, measured on the full-resolution crop."""

    size_px: float  # shorter side of the face box
    sharpness: float  # variance of the Laplacian of the grey face at 112 px; low = blurred
    yaw: float  # nose offset between the eyes, -1 (turned left) .. 1 (turned right)
    roll_deg: float  # tilt of the line between the eyes


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """One face in one frame, with the pixels around it at full resolution, unresized.

    `crop` holds an integer-pixel cut of the frame, wide enough for every InputSpec; positions stay
    in frame pixels, and `crop_origin_px` (x, y) says where the cut's first pixel lies.
    """

    t_s: float
    box_xyxy_px: Box
    landmarks_px: NDArray[
        np.float32
    ]  # (5, 2): left eye, right eye, nose, mouth left, right (image)
    confidence: float
    crop: Image
    crop_origin_px: tuple[int, int]
    quality: FaceQuality


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One person through the sampled frames, in order of time; gaps are simply missing."""

    id: int
    faces: tuple[Face, ...]

    @property
    def first_s(self) -> float:
        """Time of the first sighting."""
        return self.faces[0].t_s

    @property
    def last_s(self) -> float:
        """Time of the last sighting."""
        return self.faces[-1].t_s


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """All of the picture through the sampled frames, for systems that look for no face.

    The frames may already have the size of the system's view, so that little of each is kept.
    """

    id: int
    frames: tuple[Frame, ...]

    @property
    def first_s(self) -> float:
        """Time of the first frame."""
        return self.frames[0].t_s

    @property
    def last_s(self) -> float:
        """Time of the last frame."""
        return self.frames[-1].t_s


@dataclass(frozen=True, kw_only=True)
class AudioSpec:
    """Sound a system wants beside its frames: mono, from the clip's first frame on.

    Raw samples; with a window the log of their power spectra; with mel bins log-mel of these.
    `clips/mel.py` alone obeys it.
    """

    rate_hz: int
    n_samples: int
    window: int = 0  # samples of one spectrum; 0 = raw samples
    hop: int = 0  # samples from one spectrum to the next
    mel_bins: int = 0  # 0 = every frequency of the spectrum
    gain: float = 1.0  # samples, full scale = 1, are multiplied by it

    def __post_init__(self) -> None:
        if bool(self.window) != bool(self.hop) or (self.mel_bins and not self.window):
            raise ValueError("sound: spectra need a window and a hop, and mel bins need spectra")

    @property
    def shape(self) -> tuple[int, int]:
        """(F, S) of one clip in a Batch: rows, and positions in time."""
        if not self.window:
            return 1, self.n_samples
        positions = (self.n_samples - self.window) // self.hop + 1
        return self.mel_bins or self.window // 2 + 1, positions


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """What a system takes in. It travels in the checkpoint; `clips/tensors.py` alone obeys it."""

    size_px: int  # height of a view, and its width
    width_px: int | None = None  # of a view that is not square (whole frames)
    n_frames: int = 1  # T of a clip; 1 = image system
    stride: int = 1  # source frames from one frame of a clip to the next
    alignment: Alignment = "box"
    margin: float = 0.0  # share of the box side added on every side
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of RGB in [0, 1]
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    view: View = "face"
    # Of a face: cut for each frame by itself, or once for a clip, so that its pixels stay in place.
    region: Literal["frame", "clip"] = "frame"
    audio: AudioSpec | None = None

    @property
    def shape_px(self) -> tuple[int, int]:
        """(H, W) of a view."""
        return self.size_px, self.width_px or self.size_px

    @property
    def clip_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one clip in every input that a network of this spec has."""
        frames: dict[str, tuple[int, ...]] = {"frames": (self.n_frames, 3, *self.shape_px)}
        return frames if self.audio is None else {**frames, "audio": self.audio.shape}


@dataclass(kw_only=True)
class Batch:
    """Model input. Arrays are numpy on the way out of `clips/`, torch tensors inside `models/`."""

    frames: Any  # (B, T, 3, H, W) float32, normalised per InputSpec
    audio: Any = None  # (B, F, S) float32, as AudioSpec.shape says; or None
    label: Any = None  # (B,) float32, 1 = fake; None when scanning
    # (B, T, D) float32: what a network's frozen part made of the frames, which are then None
    # (training alone, `training/codes.py`).
    codes: Any = None

    @property
    def size(self) -> int:
        """Number of clips, B."""
        return int((self.frames if self.codes is None else self.codes).shape[0])


@dataclass(kw_only=True)
class Output:
    """Model output: `logit` (B,) = z_fake - z_real; side outputs by documented name in `aux`."""

    logit: Any
    aux: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Losses:
    """What an objective returns: the loss to minimise, its parts for the log, and the logits."""

    total: Any
    parts: dict[str, Any]
    logit: Any


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Maps a logit to a probability; `scoring/calibrate.py` alone obeys it.

    platt: p = sigmoid(slope * logit + intercept) (Platt 1999); temperature: the same without an
    intercept (Guo et al. 2017); isotonic: straight lines between knots that never fall (Zadrozny
    and Elkan 2002), level beyond the first and the last.
    """

    slope: float = 1.0
    intercept: float = 0.0
    measured_on: str | None = None  # the data it was fitted on; None = not fitted
    kind: Literal["platt", "temperature", "isotonic"] = "platt"
    knots: tuple[tuple[float, float], ...] = ()  # (logit, p), ascending; of isotonic alone


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Where `fake` begins and `real` ends, and at what measured cost.

    A rate that was not measured at the unit in question is None, never guessed.
    """

    fake: float  # p_fake at or above: fake
    real: float  # p_fake below: real
    unit: Unit  # what one score is when the rates were measured
    fake_fpr: float | None = None  # share of reals at or above `fake`
    real_fpr: float | None = None  # share of reals at or above `real`
    real_fnr: float | None = None  # share of fakes below `real`: what a "real" may miss
    measured_on: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """Calibrated score of one clip (one frame for image systems) of one person, or of a scene."""

    track_id: int
    t_s: float  # middle of the clip
    logit: float
    p_fake: float
    box_xyxy_px: Box


@dataclass(frozen=True, kw_only=True)
class TrackScore:
    """One person's score, or a scene's, with what it was made from."""

    id: int
    p_fake: float | None  # None = not enough to score
    verdict: VerdictName
    reasons: tuple[str, ...]
    first_s: float
    last_s: float
    scores: tuple[ClipScore, ...]
    face_px: float | None  # median shorter side of the face; None where no face was looked for
    sharpness: float | None  # median, see FaceQuality; None likewise


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer for one file: the most suspicious person decides."""

    verdict: VerdictName
    p_fake: float | None
    reasons: tuple[str, ...]
    tracks: tuple[TrackScore, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """A view worth showing: the pixels the network saw and where its score came from."""

    track_id: int
    t_s: float
    p_fake: float
    view: Image  # the network's own view, before normalisation
    activation: NDArray[np.float32] | None  # (h, w) class activation map, positive = towards fake


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Which detector answered."""

    name: str
    sha256: str
    thresholds: Thresholds | None
    runtime: str  # e.g. "openvino bf16"
    trained: bool = True
    licence: str = ""
    view: View = "face"  # what it looks at
    listens: bool = False  # to the sound, beside what it looks at or alone
    scope: str = ""  # in a sentence: which forgeries it knows, and which it does not


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Everything said about one file. `report/schema.py` writes it as `unmask.report/1`."""

    input: VideoInfo
    verdict: VerdictName
    p_fake: float | None
    reasons: tuple[str, ...]
    tracks: tuple[TrackScore, ...]
    model: ModelInfo
    timing_s: dict[str, float]  # decode, detect, model, total
    n_frames_sampled: int
    n_frames_with_face: int | None  # None where no face was looked for
    warnings: tuple[str, ...] = ()  # sentences: lost frames, small faces, unmeasured rates
    evidence: tuple[Evidence, ...] = ()
