"""From a trained checkpoint to one that can be shipped, every number measured on the way.

    python -m unmask.evaluation.release RUN/best --data FACES --out FOLDER [--of NAME] [--mirrored]

Weights are rounded to half precision, the graph is exported from the rounded weights, and that
graph is calibrated and given its thresholds on the `calib` part of the recipe's own split, then
measured once on `val`, or on `test` where the run chose on `val`: nothing was chosen there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unmask.datasets.learned import LEARNED, Learned, read_learned
from unmask.errors import CheckpointError
from unmask.evaluation import metrics
from unmask.evaluation.card import write_card
from unmask.evaluation.exam import Part, Wanted
from unmask.evaluation.fitted import keep_fitted
from unmask.evaluation.fixing import fit, refuse_shared, thresholds_on
from unmask.evaluation.intervals import interval
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.ranking import rank
from unmask.evaluation.scores import Header, ScoresFile
from unmask.evaluation.scoring_pass import score_cases
from unmask.models.checkpoint import GRAPH, Checkpoint, portable_recipe, read_checkpoint
from unmask.models.weights import add_graph, load_network, save_checkpoint, write_metadata
from unmask.pipeline.runtime import OpenVinoRuntime, Runtime, looking
from unmask.types import Calibration, Thresholds


def release(
    trained: Path,
    data_dir: Path,
    out: Path,
    *,
    of: Sequence[str] = (),
    mirrored: bool = False,
    scope: str = "",
) -> Checkpoint:
    """Write a calibrated, measured checkpoint with its graph to `out`.

    `of` names the data sets that face crops were made of, where their folder's name does not.
    `mirrored` lets it look at every face's mirror image, too, and answer with the mean. `scope` is
    printed with every answer: which forgeries it knows, and which it does not.

    Raises:
        CheckpointError: it names no recipe, or its run left no side to report on.
    """
    source = read_checkpoint(trained)
    recipe = source.meta.recipe
    if recipe is None:
        raise CheckpointError(f"{trained}: names no recipe, so its calibration part is not known")
    # A run that chose on the data's own validation part has used it up.
    chose_on_val = recipe["data"].get("choose_on") == "val"
    if chose_on_val and recipe["data"].get("reader") != "prepared":
        raise CheckpointError(
            f"{trained}: was chosen on `val`, and face crops have no further side to report on; "
            "train it with data.choose_on = share"
        )
    save_checkpoint(
        out,
        load_network(source),
        name=source.meta.model,
        recipe=portable_recipe(recipe),
        data_digest=source.meta.data_digest,
        licence=source.meta.licence,
        storage=torch.float16,
        beside=_record(trained, of),
    )
    checkpoint = add_graph(out)
    assert checkpoint.graph is not None, "add_graph has just exported it"
    # Calibrated in float32 and run so, it answers alike on processors with bf16 and without.
    settings = {"mirrored": mirrored, "precision": "f32", "scope": scope}
    meta = checkpoint.meta.model_copy(update=settings)
    runtime = looking(OpenVinoRuntime(checkpoint.graph, precision="f32"), meta)
    part: Part = "test" if chose_on_val else "val"
    calib, reported = (examine(checkpoint, data_dir, side, runtime) for side in ("calib", part))
    refuse_shared(reported, calib)
    calibration = fit(calib, "platt").calibration
    thresholds = thresholds_on(calib, calibration, "clip", "mean")
    found = measure(reported, calibration, thresholds)
    # What a threshold costs is what it costs where it was not fitted.
    thresholds = replace(
        thresholds,
        fake_fpr=found["reals_called_fake"],
        real_fpr=found["reals_not_called_real"],
        real_fnr=found["fakes_called_real"],
        measured_on=reported.header.data,
    )
    meta = meta.model_copy(
        update={
            "calibration": calibration,
            "thresholds": thresholds,
            "sha256": {**checkpoint.meta.sha256, **keep_fitted(out, calib)},
            "metrics": {
                **source.meta.metrics,
                "reported": {"part": part, **found},
                "calib": measure(calib, calibration, thresholds),
            },
        }
    )
    write_metadata(out, meta)
    return read_checkpoint(out)


def _record(trained: Path, of: Sequence[str]) -> dict[str, bytes] | None:
    """What it learned from, if its run kept a record, with further names of the same data."""
    learned = read_learned(trained)
    if learned is None:
        return None
    return {LEARNED: (learned | Learned(datasets=frozenset(of))).document()}


def examine(checkpoint: Checkpoint, data_dir: Path, part: Part, runtime: Runtime) -> ScoresFile:
    """Score one side of the data with exactly what will be shipped."""
    meta = checkpoint.meta
    wanted = Wanted(spec=meta.input_spec, part=part)
    exam = open_exam(data_dir, wanted, recipe=meta.recipe)
    header = Header(
        detector=meta.model,
        model=meta.model,
        sha256=meta.sha256[GRAPH],
        data=f"{part} part of {data_dir.name}",
        data_digest=exam.data_digest(),
    )
    return ScoresFile(header=header, rows=score_cases(exam.cases, runtime, meta.input_spec))


def measure(scores: ScoresFile, calibration: Calibration, thresholds: Thresholds) -> dict[str, Any]:
    """Every number of the card, from scores alone."""
    header = replace(scores.header, calibration=calibration)
    seen = replace(scores, header=header).at("clip")
    p, label, ranking = seen.p_fake, seen.label, rank(seen.label, seen.p_fake)
    reals, fakes = p[label == 0], p[label == 1]
    return {
        "data": header.data,
        "coverage": seen.coverage,
        "n": len(label),
        "n_fake": int(label.sum()),
        "auc": asdict(interval(metrics.auc, label.tolist(), p, seen.source)),
        "average_precision": metrics.average_precision(ranking),
        "equal_error_rate": metrics.equal_error_rate(ranking),
        "accuracy": metrics.accuracy(ranking),
        "log_loss": metrics.log_loss(ranking),
        "brier": metrics.brier(ranking),
        "calibration_error": metrics.calibration_error(ranking),
        "calibration_floor": metrics.calibration_floor(ranking),
        "tpr_at_1pct_fpr": metrics.tpr_at_fpr(ranking, 0.01),
        "tpr_at_5pct_fpr": metrics.tpr_at_fpr(ranking, 0.05),
        "reals_called_fake": float(np.mean(reals >= thresholds.fake)),
        "reals_not_called_real": float(np.mean(reals >= thresholds.real)),
        "fakes_called_fake": float(np.mean(fakes >= thresholds.fake)),
        "fakes_called_real": float(np.mean(fakes < thresholds.real)),
        "undecided": float(np.mean((p >= thresholds.real) & (p < thresholds.fake))),
    }


def main() -> None:
    """Release a checkpoint from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--of", action="append", default=[], help="data set that crops are of")
    parser.add_argument("--mirrored", action="store_true", help="look at mirror images, too")
    parser.add_argument("--scope", default="", help="which forgeries it knows, in a sentence")
    given = parser.parse_args()
    checkpoint = release(
        given.trained,
        given.data,
        given.out,
        of=given.of,
        mirrored=given.mirrored,
        scope=given.scope,
    )
    if given.card:
        write_card(checkpoint, given.card)


if __name__ == "__main__":
    main()
