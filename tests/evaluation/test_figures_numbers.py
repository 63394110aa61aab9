"""Numbers beside figures, against independent references; and what figures refuse."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import confusion_matrix, roc_auc_score

from unmask.errors import DataError, UsageError
from unmask.evaluation import figures
from unmask.evaluation.figures import FIGURES, Asked
from unmask.evaluation.figures.made_up import (
    METHODS,
    Law,
    ablations,
    one_to_others,
    scored,
    write_run,
)
from unmask.evaluation.scores import ScoresFile

N_SOURCES = 24


def write(folder: Path, *laws: Law, corruption: str = "none", data: str = "made up") -> list[Path]:
    paths = []
    for law in laws:
        path = folder / f"{law.name}-{data}-{corruption}.parquet".replace("/", "-")
        scored(law, corruption=corruption, data=data, n_sources=N_SOURCES).write(path)
        paths.append(path)
    return paths


A = Law(name="A", margin=3.0, missed=0.05, seed=1)
B = Law(name="B", margin=1.5, missed=0.05, seed=2, sharpness=2.0)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    return tuple(write(tmp_path_factory.mktemp("scores"), A, B))


def numbers(name: str, **asked: object) -> dict:
    """A figure's numbers as a program reads them."""
    picture = figures.draw(name, Asked(**asked))  # type: ignore[arg-type]
    return json.loads(json.dumps(picture.numbers, default=np.ndarray.tolist, allow_nan=False))


def by_hand(path: Path) -> dict[str, tuple[int, float]]:
    """Label and mean probability of every video that was scored, straight from the rows."""
    held: dict[str, tuple[int, list[float]]] = {}
    for row in ScoresFile.read(path).rows:
        if row.logit is not None:
            held.setdefault(row.video, (row.label, []))[1].append(1 / (1 + np.exp(-row.logit)))
    return {video: (label, float(np.mean(p))) for video, (label, p) in held.items()}


def common(two: tuple[Path, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,) and both detectors' scores (n,) of the videos that both scored."""
    first, second = map(by_hand, two)
    shared = sorted(set(first) & set(second))
    assert len(shared) < len(first), "the detectors miss different videos"
    return tuple(
        np.array(c) for c in zip(*((*first[v], second[v][1]) for v in shared), strict=True)
    )


def test_aucs_are_those_of_the_videos_that_all_scored(two: tuple[Path, ...]) -> None:
    label, a, b = common(two)
    told = numbers("roc", scores=two)
    assert told["n_videos"] == 5 * N_SOURCES
    assert told["n_videos_scored"] == len(label)
    for name, score in (("A", a), ("B", b)):
        said = told["detectors"][name]["auc"]
        assert said["value"] == pytest.approx(roc_auc_score(label, score))
        assert said["low"] < said["value"] < said["high"]
    (test,) = told["delong"]
    assert test["difference"]["value"] == pytest.approx(
        roc_auc_score(label, b) - roc_auc_score(label, a)
    )


def test_confusion_counts_scores_at_the_threshold_as_fake(two: tuple[Path, ...]) -> None:
    label, a, _ = common(two)
    for settings, at in (({}, 0.55), ({"threshold": "0.3"}, 0.3)):
        told = numbers("confusion", scores=two, settings=settings)["detectors"]["A"]
        tn, fp, fn, tp = confusion_matrix(label, a >= at).ravel()
        assert [told[k] for k in ("reals_called_real", "reals_called_fake")] == [tn, fp]
        assert [told[k] for k in ("fakes_missed", "fakes_found")] == [fn, tp]
        assert told["false_positive_rate"]["value"] == pytest.approx(fp / (tn + fp))
        assert told["false_negative_rate"]["value"] == pytest.approx(fn / (tp + fn))


def test_precision_at_recall_is_the_best_of_all_thresholds(two: tuple[Path, ...]) -> None:
    label, a, _ = common(two)
    told = numbers("precision-recall", scores=two)["detectors"]["A"]
    for recall in (0.95, 0.98, 0.99):
        best = max(label[a >= t].mean() for t in a if (a >= t)[label == 1].mean() >= recall - 1e-9)
        assert told[f"precision_at_recall_{recall}"]["value"] == pytest.approx(best)


def test_scatter_states_rank_correlation_and_spread_both_ways(two: tuple[Path, ...]) -> None:
    label, a, b = common(two)
    told = numbers("scatter", scores=two)
    for name, of in (("fake", label == 1), ("real", label == 0)):
        expected = spearmanr(a[of], b[of]).statistic
        said = told[f"rank_correlation_{name}"]
        assert said["value"] == pytest.approx(expected)
        assert said["low"] < said["value"] < said["high"]
    for said, (of, where) in zip(told["where_the_other_is_sure"], ((b, a), (a, b)), strict=True):
        sure = np.sort(of[where > 0.95])
        assert said["n"] == len(sure)
        assert said["iqr"] == pytest.approx(np.percentile(sure, 75) - np.percentile(sure, 25))


def test_errors_of_the_surest_are_those_far_from_one_half(two: tuple[Path, ...]) -> None:
    label, a, _ = common(two)
    told = numbers("coverage", scores=two)["detectors"]["A"]
    order = np.argsort(-abs(a - 0.5))
    wrong = ((a >= 0.5) != label)[order]
    for share in (0.5, 1.0):
        n = int(np.ceil(share * len(wrong) - 1e-9))
        assert told[f"error_of_surest_{share:g}"]["value"] == pytest.approx(wrong[:n].mean())


def test_bins_of_reliability_hold_all_videos_and_make_the_calibration_error(
    two: tuple[Path, ...],
) -> None:
    told = numbers("reliability", scores=two)
    for said in told["detectors"].values():
        stated, observed, sizes = (
            np.array([one[key] for one in said["bins"]]) for key in ("stated", "observed", "n")
        )
        n = told["n_fake"] + told["n_real"]
        assert sizes.sum() == n
        gap = np.abs(stated - observed) @ sizes / n
        assert said["calibration_error"]["value"] == pytest.approx(gap)
        assert 0 < said["calibration_floor"]["value"] < 0.5
        for one in said["bins"]:
            assert (one["low"] is None) == (one["n_sources"] < 10)
            assert one["low"] is None or one["low"] <= one["observed"] <= one["high"]


def test_histograms_hold_all_videos_and_say_what_the_thresholds_do(two: tuple[Path, ...]) -> None:
    label, a, _ = common(two)
    told = numbers("histogram", scores=two)["detectors"]["A"]
    assert sum(told["fakes_in_bin"]) == label.sum()
    assert sum(told["reals_in_bin"]) == (1 - label).sum()
    assert told["fakes_called_fake"] == pytest.approx((a[label == 1] >= 0.9).mean())
    assert told["reals_called_real"] == pytest.approx((a[label == 0] < 0.2).mean())


def test_classes_of_face_size_share_out_the_videos(two: tuple[Path, ...]) -> None:
    label, _, _ = common(two)
    told = numbers("face-size", scores=two, settings={"edges": "140"})
    assert sum(c["n_fake"] + c["n_real"] for c in told["classes"]) == len(label)
    first = by_hand(two[0])
    size = {row.video: row.face_px for row in ScoresFile.read(two[0]).rows if row.face_px}
    both = set(first) & set(by_hand(two[1]))
    small = [first[video] for video in both if size[video] < 140]
    expected = roc_auc_score(*zip(*small, strict=True))
    assert told["classes"][0]["auc"]["A"]["value"] == pytest.approx(expected)


def test_a_method_stands_against_all_reals_and_what_was_learned_is_framed(tmp_path: Path) -> None:
    paths = write(tmp_path, *list(one_to_others())[:2])
    told = numbers("matrix", scores=tuple(paths))
    name = ScoresFile.read(paths[0]).header.detector
    row = told["detectors"][name]
    assert set(row) == set(METHODS)
    assert row[METHODS[2]]["n_real"] == row[METHODS[0]]["n_real"] == N_SOURCES
    values = [row[method]["auc"]["value"] for method in METHODS]
    assert told["summary"][name]["own"] == pytest.approx(values[0])
    assert told["summary"][name]["elsewhere"] == pytest.approx(np.mean(values[1:]))


def test_mean_fall_of_auc_is_of_videos_scored_both_ways_in_cells_that_all_have(
    tmp_path: Path,
) -> None:
    shared = ("blur:2", "blur:5", "noise:1")
    clean = write(tmp_path, A, B)
    hurt = {at: write(tmp_path, A, B, corruption=at) for at in shared}
    more = write(tmp_path, A, corruption="video:3")
    told = numbers("robustness", scores=(*clean, *(f for own in hurt.values() for f in own), *more))
    assert sorted(told["mean_drop_over"]) == sorted(shared)
    for k, name in enumerate("AB"):
        falls = []
        for at in shared:
            label, before, after = common((clean[k], hurt[at][k]))
            falls.append(roc_auc_score(label, before) - roc_auc_score(label, after))
            assert told["detectors"][name][at]["fall"] == pytest.approx(falls[-1])
            assert told["detectors"][name][at]["scored_both"] == len(label)
        assert told["mean_drop"][name] == pytest.approx(np.mean(falls))
    assert "video:3" in told["detectors"]["A"]


@pytest.mark.parametrize(("chart", "n_rows"), [("a", 4), ("b", 2), ("c", 6), ("d", 14)])
def test_charts_of_fig6_find_their_rows_among_all(
    tmp_path_factory: pytest.TempPathFactory, chart: str, n_rows: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "ablations"
    paths = sorted(folder.glob("*")) if folder.exists() else write(folder, *ablations())
    told = numbers(f"dtn-fig6{chart}", scores=tuple(paths))
    cells = [cell for row in told.values() for cell in (row.get("experts") or row).values()]
    assert len(cells) == n_rows
    assert all(0 < cell["auc"]["value"] <= 1 for cell in cells)


def test_curves_of_runs_say_what_their_logs_say(tmp_path: Path) -> None:
    write_run(tmp_path / "slow", best=0.9, haste=1.0, img_per_s=32, seed=1)
    write_run(tmp_path / "fast", best=0.8, haste=2.0, img_per_s=320, seed=2)
    runs = (tmp_path / "slow", tmp_path / "fast")
    events = [json.loads(line) for line in (runs[0] / "log.jsonl").read_text().splitlines()]
    valid = [event for event in events if event["event"] == "valid"]
    best = max(valid, key=lambda event: event["auc"])
    told = numbers("training", runs=runs)["slow"]
    assert told["kept"]["auc"] == best["auc"]
    assert told["kept"]["hours"] == pytest.approx(best["step"] / 3600)  # a batch of 32 a second
    assert numbers("training", runs=runs)["fast"]["last"]["hours"] == pytest.approx(
        0.1 * 6000 / 3600
    )
    lowest = min(valid, key=lambda event: event["fake_loss"] + event["real_loss"])
    assert numbers("losses", runs=runs)["slow"]["lowest_mean"] == {
        "step": lowest["step"],
        "mean": pytest.approx((lowest["fake_loss"] + lowest["real_loss"]) / 2),
    }


def test_every_figure_of_scores_refuses_one_class(tmp_path: Path) -> None:
    path = tmp_path / "fakes.parquet"
    scored(A, n_sources=12).where(lambda row: row.label == 1).write(path)
    for name in ("roc", "confusion", "bars", "reliability", "robustness"):
        with pytest.raises(DataError, match="one class only"):
            figures.draw(name, Asked(scores=(path,)))


def test_detectors_on_different_videos_are_not_laid_over_one_another(tmp_path: Path) -> None:
    (whole,) = write(tmp_path, A)
    part = tmp_path / "part.parquet"
    scored(B, n_sources=N_SOURCES).where(lambda row: row.source < "012").write(part)
    for name in ("roc", "scatter", "coverage"):
        with pytest.raises(DataError, match="A was asked about 120 videos and B about 60"):
            figures.draw(name, Asked(scores=(whole, part)))


def test_detectors_that_disagree_on_what_is_fake_are_not_compared(tmp_path: Path) -> None:
    (first,) = write(tmp_path, A)
    other = scored(B, n_sources=N_SOURCES)
    turned = tuple(replace(row, label=0) if row.method == METHODS[0] else row for row in other.rows)
    second = tmp_path / "turned.parquet"
    ScoresFile(header=other.header, rows=turned).write(second)
    with pytest.raises(DataError, match="fake in the scores of one of A and B"):
        figures.draw("roc", Asked(scores=(first, second)))


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("rok", {}, "did you mean roc"),
        ("roc", {}, "drawn from scores"),
        ("roc", {"settings": {"threshold": "1"}}, "no setting threshold"),
        ("confusion", {"settings": {"threshold": "high"}}, "expected a number"),
        ("bars", {"settings": {"by": "colour"}}, "data, method, compression, group"),
        ("face-size", {"settings": {"edges": "90,80"}}, "rise"),
    ],
)
def test_a_wrong_request_says_what_is_right(
    two: tuple[Path, ...], name: str, asked: dict, words: str
) -> None:
    given = {"scores": two, **asked} if asked else {}
    with pytest.raises(UsageError, match=words):
        figures.draw(name, Asked(**given))


def test_the_same_scores_twice_are_refused(two: tuple[Path, ...]) -> None:
    with pytest.raises(UsageError, match="two scores files are of A on made up"):
        figures.draw("roc", Asked(scores=(two[0], two[0])))


def test_a_scatter_is_of_two(two: tuple[Path, ...]) -> None:
    with pytest.raises(UsageError, match="two detectors"):
        figures.draw("scatter", Asked(scores=two[:1]))


def test_every_name_in_the_table_leads_to_a_function() -> None:
    folder = Path(figures.__file__).parent
    for entry in FIGURES.values():
        module, function = entry.draw.split(":")
        body = ast.parse((folder / f"{module}.py").read_text(encoding="utf-8")).body
        assert function in {part.name for part in body if isinstance(part, ast.FunctionDef)}
