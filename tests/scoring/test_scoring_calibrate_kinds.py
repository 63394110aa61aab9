"""Temperature, isotonic and the choice between kinds, against scikit-learn, scipy and the disk."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from unmask.errors import CheckpointError, DataError
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import write_metadata
from unmask.scoring import (
    calibrated,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from unmask.scoring.calibrate_fit import FITS
from unmask.types import Calibration


def drawn(n=400, seed=0, slope=1.0, decimals=None):
    """Logits whose true probability is sigmoid(slope * logit)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, n)
    labels = (rng.random(n) < expit(slope * logits)).astype(int)
    return (logits if decimals is None else logits.round(decimals)), labels


def smoothed(labels):
    n_fake, n_real = (labels == 1).sum(), (labels == 0).sum()
    return np.where(labels == 1, (n_fake + 1) / (n_fake + 2), 1 / (n_real + 2))


@pytest.mark.parametrize("slope", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_temperature_equals_an_independent_solver(slope, scale):
    logits, labels = drawn(slope=slope)
    logits = logits * scale
    target = smoothed(labels)

    def loss(log_slope):
        z = np.exp(log_slope) * logits
        return np.sum(np.logaddexp(0, z) - target * z)

    found = minimize_scalar(loss, bounds=(-15, 15), method="bounded", options={"xatol": 1e-10})
    fitted = fit_temperature(logits, labels, measured_on="toy")
    assert fitted.slope == pytest.approx(np.exp(found.x), rel=1e-4)
    assert fitted.intercept == 0.0
    assert calibrated(fitted, 0.0) == 0.5


@pytest.mark.parametrize("decimals", [None, 1, 0], ids=["distinct", "some ties", "many ties"])
@pytest.mark.parametrize("seed", range(4))
def test_isotonic_equals_scikit_learn_everywhere_and_beyond_the_ends(seed, decimals):
    logits, labels = drawn(seed=seed, decimals=decimals)
    reference = IsotonicRegression(out_of_bounds="clip").fit(logits, smoothed(labels))
    fitted = fit_isotonic(logits, labels, measured_on="toy")
    asked = np.concatenate([np.linspace(-12, 12, 500), logits])
    np.testing.assert_allclose(calibrated(fitted, asked), reference.predict(asked), atol=1e-12)


def test_no_kind_turns_the_order_of_two_scores_round():
    logits, labels = drawn()
    for fit in FITS.values():
        p = calibrated(fit(logits, labels, measured_on="toy"), np.sort(logits))
        assert (np.diff(p) >= 0).all()
        assert ((p > 0) & (p < 1)).all()


def test_auto_takes_what_scipy_would_on_recordings_it_was_not_fitted_on():
    """A step is isotonic's own shape; a plain slope is temperature's."""
    rng = np.random.default_rng(1)
    logits = rng.uniform(-3, 3, 3000)
    step = (rng.random(3000) < np.where(logits > 1, 0.95, 0.4)).astype(int)
    sources = [str(n // 3) for n in range(3000)]
    chosen = fit_calibration(logits, step, kind="auto", sources=sources, measured_on="toy")
    assert chosen.calibration.kind == "isotonic"
    assert set(chosen.log_loss) == set(FITS)
    assert chosen.log_loss["isotonic"] == min(chosen.log_loss.values())
    logits, labels = drawn(n=300, slope=0.5)
    chosen = fit_calibration(logits, labels, kind="auto", sources=sources[:300], measured_on="toy")
    assert chosen.calibration.kind != "isotonic"


def test_frames_of_one_recording_never_judge_a_calibration_fitted_on_its_others():
    """Every recording ten times over: folds by frame would have seen each label before."""
    rng = np.random.default_rng(0)
    logits = np.repeat(rng.normal(size=60), 10) + rng.normal(0, 1e-6, 600)
    labels = np.repeat((rng.random(60) < expit(np.unique(logits)[::10] * 0.8)).astype(int), 10)
    each = [str(n // 10) for n in range(600)]
    honest = fit_calibration(logits, labels, kind="auto", sources=each, measured_on="toy")
    alone = [str(n) for n in range(600)]
    leaky = fit_calibration(logits, labels, kind="auto", sources=alone, measured_on="toy")
    assert leaky.log_loss["isotonic"] < honest.log_loss["isotonic"] - 0.05


@pytest.mark.parametrize("fit", [fit_temperature, fit_isotonic, fit_platt])
def test_fakes_that_score_below_reals_are_refused_by_every_kind(fit):
    with pytest.raises(DataError, match="no higher than reals"):
        fit([2.0, 1.0, -1.0, -2.0], [0, 0, 1, 1], measured_on="toy")


def test_too_few_recordings_to_choose_a_kind_on_are_refused():
    logits, labels = drawn(n=50)
    with pytest.raises(DataError, match="4 recordings are too few"):
        fit_calibration(
            logits, labels, kind="auto", sources=[str(n % 4) for n in range(50)], measured_on="toy"
        )


@pytest.mark.parametrize("name", list(FITS))
def test_a_checkpoint_gives_back_the_calibration_it_was_given(tiny_checkpoint, tmp_path, name):
    folder = copied(tiny_checkpoint, tmp_path)
    fitted = FITS[name](*drawn(), measured_on="toy")
    meta = read_checkpoint(folder).meta.model_copy(update={"calibration": fitted})
    write_metadata(folder, meta)
    assert read_checkpoint(folder).meta.calibration == fitted


def test_a_checkpoint_older_than_the_kinds_still_reads_as_platt(tiny_checkpoint, tmp_path):
    folder = copied(tiny_checkpoint, tmp_path)
    edit(folder, {"slope": 2.0, "intercept": 0.5, "measured_on": "toy"})
    expected = Calibration(slope=2.0, intercept=0.5, measured_on="toy")
    assert read_checkpoint(folder).meta.calibration == expected


@pytest.mark.parametrize("knots", [[], [[0.0, 0.5], [0.0, 0.6]], [[0.0, 0.6], [1.0, 0.5]]])
def test_a_checkpoint_whose_knots_do_not_ascend_is_refused(tiny_checkpoint, tmp_path, knots):
    folder = copied(tiny_checkpoint, tmp_path)
    table = {"slope": 1.0, "intercept": 0.0, "measured_on": "toy"}
    edit(folder, {**table, "kind": "isotonic", "knots": knots})
    with pytest.raises(CheckpointError, match="knots that ascend"):
        read_checkpoint(folder)


def copied(checkpoint, folder):
    for file in checkpoint.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def edit(folder, calibration):
    path = folder / "checkpoint.json"
    document = json.loads(path.read_text())
    document |= {"calibration": calibration, "thresholds": None}
    path.write_text(json.dumps(document))
