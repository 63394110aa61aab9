"""Gives a checkpoint its calibration and thresholds, fitted on validation scores and kept in it.

    python -m unmask.evaluation.calibrating CHECKPOINT --scores FILE [--kind auto] [--level track]

The scores are of the checkpoint's own weights, on a side that it neither learned from nor is
reported on. A scan, an exported graph and every later scores file then use what is stored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Literal, get_args

from unmask.errors import DataError
from unmask.evaluation.fitted import keep_fitted
from unmask.evaluation.fixing import fit, thresholds_on
from unmask.evaluation.runs import CLEAN
from unmask.evaluation.scores import Level, Rule, ScoresFile
from unmask.models.checkpoint import Metadata, read_checkpoint
from unmask.models.weights import write_metadata
from unmask.scoring.calibrate_fit import FITS, Fitted, Kind


def calibrate(
    folder: Path,
    validation: ScoresFile,
    *,
    kind: Kind | Literal["auto"] = "auto",
    level: Level = "track",
    rule: Rule = "mean",
) -> tuple[Metadata, Fitted]:
    """Fit both on validation scores and write them into `checkpoint.json`.

    The recordings fitted on are kept beside it (`fitted.py`).

    Args:
        folder: of the checkpoint.
        validation: scores of its weights.
        kind: of the calibration of clips; auto = by cross-validated log loss.
        level: what one score is when thresholds are set: a scan judges people, so `track`.
        rule: from clips to a person.

    Raises:
        DataError: a test or a training side, scores of other weights, or too few of them.
    """
    meta = read_checkpoint(folder).meta
    refuse_side(validation, meta)
    fitted = fit(validation, kind)
    thresholds = thresholds_on(validation, fitted.calibration, level, rule)
    update = {
        "calibration": fitted.calibration,
        "thresholds": thresholds,
        "sha256": {**meta.sha256, **keep_fitted(folder, validation)},
    }
    stored = meta.model_copy(update=update)
    write_metadata(folder, stored)
    return stored, fitted


def refuse_side(validation: ScoresFile, meta: Metadata) -> None:
    """Refuse scores that nothing may be fitted on.

    Raises:
        DataError: saying why.
    """
    header = validation.header
    if header.part in ("test", "train"):
        why = "is what is reported on" if header.part == "test" else "was learned from"
        raise DataError(
            f"{header.data}: the {header.part} side {why}; fit on a validation side "
            "(unmask evaluate --part val)"
        )
    if header.part == "all":
        raise DataError(
            f"{header.data}: all sides together hold what is reported on, too; fit on a validation "
            "side (unmask evaluate --part val)"
        )
    if header.corruption != CLEAN:
        raise DataError(f"{header.data}: seen through {header.corruption}; fit on clean pictures")
    if header.sha256 not in meta.sha256.values():
        raise DataError(f"{header.data}: scored by other weights than this checkpoint's")


def main() -> None:
    """Calibrate a checkpoint from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--kind", choices=["auto", *FITS], default="auto")
    parser.add_argument("--level", choices=get_args(Level), default="track")
    given = parser.parse_args()
    validation = ScoresFile.read(given.scores)
    meta, fitted = calibrate(given.checkpoint, validation, kind=given.kind, level=given.level)
    for name, loss in fitted.log_loss.items():
        sys.stdout.write(f"{name}: log loss {loss:.4f} on recordings left out\n")
    sys.stdout.write(f"stored: {meta.calibration}\n{meta.thresholds}\n")


if __name__ == "__main__":
    main()
