"""Networks in integers: made with nncf, and measured against themselves in float32.

On processors without matrix units for bf16, and on many with them, int8 is the fastest form there
is; whether its answers hold depends on the network and is found out, never assumed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import MissingExtraError
from unmask.openvino_core import quietly
from unmask.pipeline.runtime import Runtime
from unmask.scoring.calibrate import apply
from unmask.types import Batch, Calibration, Thresholds

MEAN_LIMIT = 0.02  # mean difference in p_fake that integers may make,
SIDES_LIMIT = 0.01  # and share of clips that may change sides of a threshold


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a graph's answers are from those of the same network in float32."""

    n_clips: int
    mean_p_fake: float  # mean of the absolute difference
    most_p_fake: float
    most_logit: float
    changed_sides: float  # share of clips that lie on another side of a threshold

    @property
    def is_close(self) -> bool:
        """Whether verdicts hold."""
        return self.mean_p_fake <= MEAN_LIMIT and self.changed_sides <= SIDES_LIMIT


def quantised(model: Any, clips: Sequence[Batch]) -> Any:
    """An OpenVINO graph with integers for its matrices and kernels, calibrated on clips.

    The graph given is changed: what it computes of constants alone becomes constants. OpenVINO's
    reader of ONNX gives the kernels of depthwise convolutions as such a computation, and those
    would be quantised by their columns, which no fast convolution takes, and so stay in floats.

    Raises:
        MissingExtraError: nncf is not installed.
    """
    try:
        with quietly(), redirect_stdout(sys.stderr):
            import nncf
            from openvino.passes import ConstantFolding, Manager
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"--precision int8 needs {error.name}; install it with: pip install 'unmask[export]'"
        ) from error
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    names = [port.get_any_name() for port in model.inputs]
    # Attention in integers is worthless unless its scores and sums stay as they are.
    attends = any(node.get_type_name() == "Softmax" for node in model.get_ops())

    def inputs(clip: Batch) -> dict[str, NDArray[np.float32]]:
        return {name: np.ascontiguousarray(getattr(clip, name)) for name in names}

    with redirect_stdout(sys.stderr):  # it shows its progress
        return nncf.quantize(
            model,
            nncf.Dataset(clips, inputs),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if attends else None,
            subset_size=len(clips),
        )


def compare(
    exact: Runtime,
    other: Runtime,
    clips: Sequence[Batch],
    calibration: Calibration,
    thresholds: Thresholds | None,
) -> Agreement:
    """Ask both of the same clips."""
    logits = np.array([(exact(clip).logit[0], other(clip).logit[0]) for clip in clips])  # (N, 2)
    p_fake = np.vectorize(lambda logit: apply(calibration, float(logit)))(logits)
    edges = (0.5,) if thresholds is None else (thresholds.real, thresholds.fake)
    sides = np.digitize(p_fake, edges)
    differences = np.abs(p_fake[:, 0] - p_fake[:, 1])
    return Agreement(
        n_clips=len(clips),
        mean_p_fake=float(differences.mean()),
        most_p_fake=float(differences.max()),
        most_logit=float(np.abs(logits[:, 0] - logits[:, 1]).max()),
        changed_sides=float((sides[:, 0] != sides[:, 1]).mean()),
    )
