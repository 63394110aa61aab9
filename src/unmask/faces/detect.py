"""Finds faces: boxes, five landmarks and a confidence, for many frames at once.

MTCNN (see `mtcnn_graphs`): P-Net slides over a pyramid of each frame and proposes squares, R-Net
sorts them out, O-Net measures box and landmarks. Thresholds and overlaps are facenet-pytorch's.
Ours differs in three ways: pixels are taken from halvings of the frame with sub-pixel precision;
the smallest face sought is a share of the frame, because a face of 20 px says nothing about its
making and costs four times the search of one of 40 px; and the final box, landmarks and confidence
are the mean of six looks, because crops that jump from frame to frame resemble a forgery's flicker
and because a sleeve that looks like a face does so at one scale only.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unmask.faces.boxes import Boxes, Overlap, nms, scaled, shifted, squared
from unmask.faces.halvings import Halvings
from unmask.faces.mtcnn_graphs import Graph, compile_graph
from unmask.faces.pyramid import Level, pyramid
from unmask.openvino_core import cache_folder
from unmask.shapes import check_shape
from unmask.types import Box, Image

CELL_PX = 12  # side of the square that one cell of P-Net looks at
STRIDE_PX = 2  # from one cell of P-Net to the next
MAX_PROPOSALS = 1000  # per frame and pyramid level, best first: noise must not fill the memory
P_CHUNK_PX = 2**16  # pixels P-Net sees at once: more do not fit the cache and take twice as long
MIRROR: Boxes = np.array([-1, 1, -1, 1], np.float32)  # what a mirror does to a box's offsets
LOOKS = (0.9, 1.0, 1.1)  # sizes of the squares over which the last measurement is averaged


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """What is looked for, and how thoroughly."""

    min_face: float = 0.04  # smallest face box sought, share of the frame's shorter side (ours)
    min_face_px: int = 24  # ... but never smaller than this, in pixels of the frame (ours)
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)  # P-, R-, O-Net (facenet-pytorch)
    threads: int = 1  # CPU threads; 0 = as many as OpenVINO finds useful, and other last digits


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """One face in one frame. The box follows the face and may reach beyond the frame."""

    box_xyxy_px: Box
    landmarks_px: NDArray[
        np.float32
    ]  # (5, 2): left eye, right eye, nose, mouth left, right (image)
    confidence: float  # probability of a face, mean of six looks

    @property
    def size_px(self) -> float:
        """Longer side of the box."""
        x0, y0, x1, y1 = self.box_xyxy_px
        return max(x1 - x0, y1 - y0)


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """Squares that may hold a face, in all frames together."""

    frame: NDArray[np.intp]  # (N,) which frame
    boxes: Boxes  # (N, 4)

    def __getitem__(self, chosen: NDArray[np.intp] | slice) -> "_Candidates":
        return _Candidates(frame=self.frame[chosen], boxes=self.boxes[chosen])

    def __len__(self) -> int:
        return len(self.frame)


_Cells = tuple[_Candidates, NDArray[np.float32], NDArray[np.float32]]  # with offsets, scores


class FaceDetector:
    """MTCNN over batches of frames. Networks are compiled at the first use, 0.1 s in all.

    Not for several threads at once; give each thread its own.
    """

    def __init__(self, config: DetectorConfig | None = None, cache: Path | None = None):
        """`cache` keeps the weights as plain arrays; default: `faces/` in the cache folder."""
        self.config = config or DetectorConfig()
        self._cache = cache or cache_folder() / "faces"

    def prepared(self) -> Self:
        """Read and compile the networks now, which the first search would do."""
        self._pnet, self._rnet, self._onet  # noqa: B018
        return self

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """Faces of every image (H, W, 3) RGB uint8, best first; images may differ in size.

        A face smaller than `max(min_face * shorter side, min_face_px)` is not sought. Memory grows
        with the number of images: half a frame each, beside the frames themselves.
        """
        for image in images:
            check_shape(image, "H W 3", "image")
            if image.dtype != np.uint8:
                raise ValueError(f"image: expected uint8 RGB, got {image.dtype}")
        frames = [Halvings(image) for image in images]
        nothing: list[tuple[Detection, ...]] = [() for _ in frames]
        if not len(candidates := self._propose(frames)):
            return nothing
        if not len(candidates := self._refine(frames, candidates)):
            return nothing
        if not len(faces := self._confirm(frames, candidates)):
            return nothing
        return self._measure(frames, faces)

    def detect_near(
        self, images: Sequence[Image], places: Sequence[Sequence[Box]]
    ) -> list[tuple[Detection, ...]]:
        """Faces of every image at about the places given for it, at a seventh of the cost.

        O-Net alone looks, once to find its way and then as in a search. A place where no face is
        gives none, and faces elsewhere are not found.
        """
        frames = [Halvings(image) for image in images]
        nothing: list[tuple[Detection, ...]] = [() for _ in frames]
        index = np.repeat(np.arange(len(places)), [len(boxes) for boxes in places])
        boxes = np.array([box for own in places for box in own], np.float32).reshape(-1, 4)
        faces = _Candidates(frame=index, boxes=boxes)
        for _ in range(2):
            if not len(faces):
                return nothing
            faces = self._confirm(
                frames, _Candidates(frame=faces.frame, boxes=squared(faces.boxes))
            )
        return self._measure(frames, faces) if len(faces) else nothing

    @cached_property
    def _pnet(self) -> Graph:
        return compile_graph("pnet", cache=self._cache, threads=self.config.threads)

    @cached_property
    def _rnet(self) -> Graph:
        return compile_graph("rnet", cache=self._cache, threads=self.config.threads)

    @cached_property
    def _onet(self) -> Graph:
        return compile_graph("onet", cache=self._cache, threads=self.config.threads)

    def _pyramid(self, frame: Halvings) -> Iterator[Level]:
        """Sizes of a frame, from the one where the smallest face fills one cell of P-Net."""
        short_px = min(frame.rgb.shape[:2])
        if short_px < CELL_PX:
            return iter(())
        smallest_px = max(self.config.min_face * short_px, self.config.min_face_px, CELL_PX)
        return pyramid(frame, smallest_px=smallest_px, cell_px=CELL_PX)

    def _propose(self, frames: Sequence[Halvings]) -> _Candidates:
        """P-Net over all pyramids, levels of one size together."""
        same_size: dict[tuple[int, ...], list[tuple[int, Level]]] = defaultdict(list)
        for index, frame in enumerate(frames):
            for level in self._pyramid(frame):
                same_size[level.picture.shape].append((index, level))
        found: list[_Cells] = []
        for shape, levels in same_size.items():
            n = max(1, P_CHUNK_PX // (shape[0] * shape[1]))
            for start in range(0, len(levels), n):
                found.extend(self._proposals(levels[start : start + n]))
        if not found:
            return _Candidates(frame=np.empty(0, np.intp), boxes=np.empty((0, 4), np.float32))
        # Second suppression, across the levels of each frame.
        cells = _Candidates(
            frame=np.concatenate([cells.frame for cells, _, _ in found]),
            boxes=np.concatenate([cells.boxes for cells, _, _ in found]),
        )
        offsets = np.concatenate([offsets for _, offsets, _ in found])
        scores = np.concatenate([scores for _, _, scores in found])
        best = _nms_per_frame(cells, scores, 0.7)
        moved = squared(shifted(cells.boxes[best], offsets[best]))
        return _Candidates(frame=cells.frame[best], boxes=moved)

    def _proposals(self, levels: Sequence[tuple[int, Level]]) -> Iterator[_Cells]:
        """Cells of P-Net with their offsets and scores, from levels of one size."""
        offsets, scores = self._pnet(np.stack([level.picture for _, level in levels]))
        for (index, level), offset, score in zip(levels, offsets, scores, strict=True):
            y, x = np.nonzero(score >= self.config.thresholds[0])
            best = np.argsort(-score[y, x], kind="stable")[:MAX_PROPOSALS]
            y, x = y[best], x[best]
            corner = np.stack([x, y], axis=1) * STRIDE_PX
            edges = np.concatenate([corner, corner + CELL_PX], axis=1) * np.tile(level.to_frame, 2)
            boxes = edges.astype(np.float32)
            keep = nms(boxes, score[y, x], 0.5)
            y, x = y[keep], x[keep]
            cells = _Candidates(frame=np.full(len(keep), index), boxes=boxes[keep])
            yield cells, offset[:, y, x].T, score[y, x]

    def _refine(self, frames: Sequence[Halvings], candidates: _Candidates) -> _Candidates:
        """R-Net: drops most candidates and moves the rest."""
        offsets, scores = self._rnet.in_batches(_cut(frames, candidates, 24))
        sure = np.flatnonzero(scores > self.config.thresholds[1])
        sure = sure[_nms_per_frame(candidates[sure], scores[sure], 0.7)]
        found = candidates[sure]
        return _Candidates(frame=found.frame, boxes=squared(shifted(found.boxes, offsets[sure])))

    def _confirm(self, frames: Sequence[Halvings], candidates: _Candidates) -> _Candidates:
        """O-Net: one box for each face, best first within a frame."""
        offsets, _, scores = self._onet.in_batches(_cut(frames, candidates, 48))
        sure = np.flatnonzero(scores > self.config.thresholds[2])
        boxes = shifted(candidates.boxes[sure], offsets[sure])
        faces = _Candidates(frame=candidates.frame[sure], boxes=boxes)
        return faces[_nms_per_frame(faces, scores[sure], 0.7, by="smaller")]

    def _measure(
        self, frames: Sequence[Halvings], faces: _Candidates
    ) -> list[tuple[Detection, ...]]:
        """O-Net again, on squares of several sizes around each face; what it says is averaged.

        Measured on 39 talking heads and 8 samples: when the frame is moved by a few pixels, one
        look's landmarks move by 1.6 % of the eye distance, the mean's by 0.6 %. One look gives
        sleeves and hands up to .95, the mean at most .67, and faces no less than before.
        """
        squares = squared(faces.boxes)
        sizes = np.concatenate([scaled(squares, size) for size in LOOKS])
        looks = self._look(frames, _Candidates(frame=np.tile(faces.frame, len(LOOKS)), boxes=sizes))
        boxes, landmarks, scores = (
            part.reshape(len(LOOKS), len(faces), *part.shape[1:]).mean(axis=0) for part in looks
        )
        found: list[list[Detection]] = [[] for _ in frames]
        for i in np.flatnonzero(scores > self.config.thresholds[2]):
            x0, y0, x1, y1 = boxes[i].tolist()
            height, width = frames[faces.frame[i]].rgb.shape[:2]
            if not (0 <= (x0 + x1) / 2 <= width and 0 <= (y0 + y1) / 2 <= height):
                continue  # a rim of a face at most: nothing to cut out
            detection = Detection(
                box_xyxy_px=(x0, y0, x1, y1),
                landmarks_px=landmarks[i],
                confidence=float(scores[i]),
            )
            found[faces.frame[i]].append(detection)
        return [tuple(detections) for detections in found]

    def _look(
        self, frames: Sequence[Halvings], squares: _Candidates
    ) -> tuple[Boxes, NDArray[np.float32], NDArray[np.float32]]:
        """O-Net's boxes (N, 4), landmarks (N, 5, 2) and scores (N,), averaged with its mirror's."""
        cuts = _cut(frames, squares, 48)
        both = self._onet.in_batches(np.concatenate([cuts, cuts[:, :, ::-1]]))
        (plain, turned), (plain_marks, turned_marks), (plain_score, turned_score) = (
            np.split(part, 2) for part in both
        )
        boxes = shifted(squares.boxes, (plain + turned[:, [2, 1, 0, 3]] * MIRROR) * np.float32(0.5))
        points = (_points(plain_marks) + _mirrored(_points(turned_marks))) / 2
        corner, far_corner = squares.boxes[:, None, :2], squares.boxes[:, None, 2:]
        return (
            boxes,
            corner + points * (far_corner - corner),
            (plain_score + turned_score) * np.float32(0.5),
        )


def _cut(frames: Sequence[Halvings], candidates: _Candidates, side_px: int) -> Image:
    """What is inside the candidates' squares: (N, side_px, side_px, 3)."""
    pictures = np.empty((len(candidates), side_px, side_px, 3), np.uint8)
    for index in np.unique(candidates.frame):
        own = candidates.frame == index
        pictures[own] = frames[index].cuts(candidates.boxes[own], side_px)
    return pictures


def _points(marks: NDArray[np.float32]) -> NDArray[np.float32]:
    """O-Net's five x, then five y: (N, 10) -> (N, 5, 2)."""
    return marks.reshape(-1, 2, 5).transpose(0, 2, 1)


def _mirrored(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks (N, 5, 2) of a mirrored cut as those of the cut: left and right change places."""
    swapped = points[:, [1, 0, 2, 4, 3]]
    swapped[..., 0] = 1 - swapped[..., 0]
    return swapped


def _nms_per_frame(
    candidates: _Candidates,
    scores: NDArray[np.float32],
    threshold: float,
    by: Overlap = "union",
) -> NDArray[np.intp]:
    """Indices of the candidates to keep, frame after frame, best first within a frame."""
    kept = [np.empty(0, np.intp)]
    for index in np.unique(candidates.frame):
        own = np.flatnonzero(candidates.frame == index)
        kept.append(own[nms(candidates.boxes[own], scores[own], threshold, by)])
    return np.concatenate(kept)
