"""Scores files written by hand, for tests of what is computed from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unmask.evaluation.scores import Header, Row, ScoresFile

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
HEADER = Header(
    detector="first", model="dtn/small", sha256="a" * 64, data="made test", data_digest="d" * 64,
    part="test", trained_on=("made",), recipe={"data": {"methods": []}}, leaks=0,
)  # fmt: skip


def made(
    n_people: int = 60,
    *,
    clips: int = 2,
    skill: float = 2.0,
    seed: int = 0,
    prefix: str = "p",
    missed: int = 0,
    **header: object,
) -> ScoresFile:
    """One real and four fakes of every person, at two compressions, in three groups.

    A fake's logits are `skill` above its real's; later methods are harder. Scores of a video hang
    together, and so do all of a person.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n_people):
        person, of_person = f"{prefix}{k}", rng.normal(0, 0.7)
        for j, method in enumerate(("original", *METHODS)):
            of_video = of_person + rng.normal(0, 0.7) + (skill * (1 - 0.2 * j) if j else -skill / 2)
            video = Row(
                video=f"made/{method}/{person}",
                label=int(j > 0),
                source=person,
                dataset="made",
                method=method,
                compression=("c23", "c40")[k % 2],
                split="test",
                group=("north", "south", "west")[k % 3],
            )
            if j == 4 and k < missed:
                rows.append(replace(video, outcome="no_face", reason="nobody was seen"))
                continue
            rows += [
                replace(video, track=0, clip=c, face_px=60.0 + 4 * k, logit=of_video + float(z))
                for c, z in enumerate(rng.normal(0, 0.3, clips))
            ]
    return ScoresFile(header=replace(HEADER, **header), rows=tuple(rows))  # type: ignore[arg-type]
