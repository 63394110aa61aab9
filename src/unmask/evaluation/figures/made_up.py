"""Made-up scores and runs, so that every figure can be tried and shown without anyone's data.

    python -m unmask.evaluation.figures.made_up OUT

writes folders of scores files and, in `OUT/runs`, of logs. Nothing in them was measured: logits are
drawn from a law, and every file names its data "made up".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from unmask.evaluation.scores import Header, Row, ScoresFile
from unmask.types import Thresholds

DATA = "made up"
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
KINDS = ("saturation", "contrast", "blocks", "noise", "blur", "pixelation", "video")
N_SOURCES, CLIPS = 150, 3
THRESHOLDS = Thresholds(fake=0.9, real=0.2, unit="video", measured_on="made-up calibration data")


@dataclass(frozen=True, kw_only=True)
class Law:
    """How a detector that does not exist scores."""

    name: str
    margin: float = 2.0  # logits between fakes and reals
    sharpness: float = 1.0  # above 1: surer than it is right
    fading: float = 0.1  # share of the margin that a level of corruption takes
    known: dict[str, float] = field(default_factory=dict)  # share of the margin, by method
    learned: tuple[str, ...] = METHODS
    missed: float = 0.0  # share of videos without a face found
    seed: int = 0


def scored(
    law: Law, *, data: str = DATA, corruption: str = "none", n_sources: int = N_SOURCES
) -> ScoresFile:
    """Scores of one detector; videos and how hard they are stay the same for all."""
    kind, _, level = corruption.partition(":")
    kept = max(0.0, 1 - law.fading * int(level or 0) * (0.5 + len(kind) % 3))
    rng = np.random.default_rng([law.seed, *data.encode(), *corruption.encode()])
    rows: list[Row] = []
    for video, hardness, face_px in _videos(n_sources):
        share = law.known.get(video.method, 1.0) * kept * min(1.0, face_px / 130)
        if rng.random() < law.missed:
            rows.append(replace(video, outcome="no_face", reason="no face was found"))
            continue
        centre = law.margin * share * (video.label - 0.5) + hardness + 0.6 * rng.normal()
        for clip in range(CLIPS):
            logit = float(law.sharpness * 1.6 * (centre + 0.4 * rng.normal()))
            rows.append(replace(video, track=0, clip=clip, face_px=face_px, logit=logit))
    header = Header(
        detector=law.name,
        model="none",
        sha256="0" * 64,
        data=data,
        data_digest="0" * 64,
        corruption=corruption,
        thresholds=THRESHOLDS,
        trained_on=("made-up",),
        recipe={"name": law.name, "data": {"methods": list(law.learned)}},
    )
    return ScoresFile(header=header, rows=tuple(rows))


def write_scores(folder: Path) -> None:
    """Write scores for every figure that is made of them."""
    three = (
        Law(name="A", margin=3.4, fading=0.05, missed=0.03, seed=1),
        Law(name="B", margin=2.6, fading=0.09, sharpness=2.5, seed=2),
        Law(name="C", margin=1.5, fading=0.16, missed=0.01, seed=3),
    )
    for law in three:
        for place in ("three", "corrupted"):
            scored(law).write(folder / place / f"{law.name}.parquet")
        for kind in KINDS:
            for level in range(1, 6):
                at = f"{kind}:{level}"
                scored(law, corruption=at).write(folder / "corrupted" / f"{law.name}-{at}.parquet")
    for law in one_to_others():
        scored(law).write(folder / "one-to-others" / f"{law.name.rpartition('-')[2]}.parquet")
    for law in ablations():
        chart = law.name.rpartition("/")[2]
        for k, data in enumerate((DATA, f"{DATA} 2", f"{DATA} 3") if chart[4] in "ab" else (DATA,)):
            scored(law, data=data).write(folder / "fig6" / f"{chart}-{k}.parquet")


def one_to_others() -> Iterator[Law]:
    """Detectors that learned from one method each."""
    for i, (code, method) in enumerate(zip(("df", "f2f", "fs", "nt"), METHODS, strict=True)):
        known = {other: 1.0 if other == method else 0.05 + 0.12 * abs(i - k)
                 for k, other in enumerate(METHODS)}  # fmt: skip
        yield Law(
            name=f"made-up/table2-{code}", margin=4.0, known=known, learned=(method,), seed=20 + i
        )


def ablations() -> Iterator[Law]:
    """Rows of DTN's Fig. 6 by the names of their recipes."""
    margins = {
        "a-gauss": 2.6, "a-blur": 2.1, "a-compression": 2.2, "a-contrast": 1.9,
        "b-low": 2.6, "b-vanilla": 2.1,
        "c-vgg-alone": 1.8, "c-vgg-modules": 2.6, "c-resnet34-alone": 1.9,
        "c-resnet34-modules": 2.5, "c-efficientnet-b0-alone": 2.0, "c-efficientnet-b0-modules": 2.4,
    }  # fmt: skip
    for k in range(1, 8):
        margins[f"d-B{k}"] = 2.0 + 0.2 * min(k, 5) - 0.15 * max(0, k - 5)
        margins[f"d-B{k}-calm"] = 2.2 - 0.08 * abs(k - 2)
    for i, (name, margin) in enumerate(margins.items()):
        yield Law(name=f"made-up/fig6{name}", margin=margin, seed=40 + i)


def write_run(folder: Path, *, best: float, haste: float, img_per_s: float, seed: int) -> None:
    """Write the log of a run that never ran: losses that fall, a validation AUC that rises."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"name": folder.name, "train": {"batch": 32}}
    (folder / "config.json").write_text(json.dumps({"recipe": recipe}), encoding="utf-8")
    events: list[dict[str, object]] = [{"event": "start", "step": 0}]
    top = 0.0
    for step in range(100, 6001, 100):
        done = 1 - np.exp(-step / 1500 * haste)
        events.append({"event": "train", "step": step, "img_per_s": img_per_s})
        if step % 300:
            continue
        auc = 0.5 + (best - 0.5) * done + 0.006 * rng.normal()
        fake = 0.7 - 0.42 * done + 0.02 * rng.normal()
        real = 0.7 - 0.42 * done + 0.35 * (step / 6000 * haste) ** 2 + 0.02 * rng.normal()
        events.append({"event": "valid", "step": step, "best": auc > top, "auc": round(auc, 4),
                       "fake_loss": round(fake, 4), "real_loss": round(real, 4)})  # fmt: skip
        top = max(top, auc)
    lines = "".join(json.dumps(event, default=float) + "\n" for event in events)
    (folder / "log.jsonl").write_text(lines.replace("True", "true"), encoding="utf-8")


def _videos(n_sources: int) -> Iterator[tuple[Row, float, float]]:
    """A real video and its fakes by every method, recording by recording."""
    rng = np.random.default_rng(0)
    for i in range(n_sources):
        face_px = float(np.exp(rng.normal(4.9, 0.45)))
        of_source = 0.5 * rng.normal()
        for method in ("original", *METHODS):
            video = Row(
                video=f"made-up/{method}/{i:03d}",
                label=int(method != "original"),
                source=f"{i:03d}",
                dataset="made-up",
                method=method,
            )
            yield video, of_source + 0.7 * rng.normal(), face_px


if __name__ == "__main__":
    out = Path(sys.argv[1])
    write_scores(out)
    write_run(out / "runs" / "A", best=0.91, haste=1.0, img_per_s=60, seed=1)
    write_run(out / "runs" / "B", best=0.86, haste=1.8, img_per_s=140, seed=2)
