"""Drawn people as examples to explain scores of: no photograph, no network, no file."""

from __future__ import annotations

import numpy as np

from unmask.datasets.toy_people import Take, draw_person
from unmask.evaluation.examples import Example
from unmask.faces.align import cut_face
from unmask.types import Face


def drawn_face(seed: int = 0, k: int = 0) -> Face:
    rng = np.random.default_rng(seed)
    frame, found = Take(draw_person(rng), rng).frames([0.3] * (k + 1))[k]
    return cut_face(frame.rgb, found, frame.t_s)


def drawn_example(seed: int = 0, n_frames: int = 1) -> Example:
    """A person in front of a camera; the lower half of the crop is said to be forged."""
    faces = [drawn_face(seed, k) for k in range(n_frames)]
    masks = []
    for face in faces:
        mask = np.zeros(face.crop.shape[:2], np.uint8)
        mask[len(mask) // 2 :] = 255
        masks.append(mask)
    return Example(
        id=f"p{seed}#drawn",
        method="drawn",
        label=1,
        source=f"p{seed}",
        sights=faces,
        forged=tuple(masks),
    )
