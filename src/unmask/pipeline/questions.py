"""What a network is asked about a file: clips of its people, or of the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unmask.clips.tensors import cut_views, make_batch
from unmask.clips.windows import clip_windows, is_mostly_repeats, windows
from unmask.pipeline.sound import Listener
from unmask.types import Batch, Box, Face, Frame, Image, InputSpec, Scene, Track, VideoInfo


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One clip that the network is asked about."""

    track_id: int
    sights: tuple[Face, ...] | tuple[Frame, ...]  # T of them, in order of time
    box_xyxy_px: Box  # of the face in the middle of the clip, or of the whole frame

    @property
    def starts_s(self) -> float:
        """Time of the first frame, from which on sound is heard."""
        return self.sights[0].t_s

    @property
    def t_s(self) -> float:
        """Middle of the clip."""
        return (self.sights[0].t_s + self.sights[-1].t_s) / 2

    @property
    def is_mostly_repeats(self) -> bool:
        """Whether less than half of the clip was seen."""
        return is_mostly_repeats(self.sights)

    def view(self, spec: InputSpec) -> Image:
        """Pixels that stand for the clip where only one frame can be shown, as the network saw."""
        view: Image = cut_views(self.sights, spec)[len(self.sights) // 2]
        return view


def questions(subject: Track | Scene, spec: InputSpec, info: VideoInfo) -> list[Question]:
    """Cut a person or a scene into clips."""
    if isinstance(subject, Scene):
        whole = (0.0, 0.0, float(info.width_px), float(info.height_px))
        return [
            Question(track_id=subject.id, sights=frames, box_xyxy_px=whole)
            for frames in windows(subject.frames, spec.n_frames)
        ]
    return [
        Question(
            track_id=clip.track_id,
            sights=clip.faces,
            box_xyxy_px=clip.faces[len(clip.faces) // 2].box_xyxy_px,
        )
        for clip in clip_windows(subject, spec)
    ]


def batch_of(asked: Sequence[Question], spec: InputSpec, sound: Listener | None) -> Batch:
    """Model input of some questions; `sound` where the system listens."""
    audio = None if sound is None else sound.hear([question.starts_s for question in asked])
    return make_batch([question.sights for question in asked], spec, audio=audio)
