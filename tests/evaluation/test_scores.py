"""Laws of scores files: what was said comes back, and levels are what brute force makes."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from unmask.errors import DataError
from unmask.evaluation.scores import SCORED, Header, Row, Rows, ScoresFile
from unmask.scoring.aggregate import confident, mean_probability
from unmask.scoring.calibrate import apply
from unmask.types import Calibration, Thresholds

CALIBRATION = Calibration(slope=1.7, intercept=-0.4, measured_on="nothing: made up")
HEADER = Header(
    detector="ours",
    model="dtn/small",
    sha256="a" * 64,
    data="drawn test",
    data_digest="d" * 64,
    calibration=CALIBRATION,
    thresholds=Thresholds(fake=0.9, real=0.2, unit="image"),
    trained_on=("drawn",),
    leaks=0,
)
RULES = {"mean": mean_probability, "confident": confident}


def drawn_rows(n_videos=40, seed=0, *, shuffled=True):
    """Videos of up to three people with up to twenty clips each; every fifth has no score."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n_videos):
        facts = {
            "video": f"drawn/{'swap' if k % 2 else 'original'}/{k}",
            "label": k % 2,
            "source": f"drawn/{k // 2}",
            "method": "swap" if k % 2 else "original",
            "identities": (f"p{k // 2}", f"p{k}")[: 1 + k % 2],
            "compression": "c23" if k % 3 else None,
        }
        if k % 5 == 4:
            rows.append(Row(**facts, outcome="no_face" if k % 2 else "unreadable", reason="so"))
            continue
        for person in range(int(rng.integers(1, 4))):
            sure = rng.choice([-4.0, 0.0, 4.0])
            for clip in range(int(rng.integers(1, 21))):
                logit = float(rng.normal(sure, 1))
                rows.append(Row(**facts, track=person, clip=clip, t_s=clip / 3, logit=logit))
    return [rows[i] for i in rng.permutation(len(rows))] if shuffled else rows


def brute_force(rows, level, rule):
    """Level by level with plain lists, from the definition."""
    clips = [row for row in rows if row.logit is not None]
    if level == "clip":
        return {(r.video, r.track, r.clip): apply(CALIBRATION, r.logit) for r in clips}
    people = {}
    for row in clips:
        people.setdefault((row.video, row.track), []).append(row.logit)
    scores = {}
    for key, logits in people.items():
        p = [apply(CALIBRATION, z) for z in logits]
        of_mean = apply(CALIBRATION, sum(logits) / len(logits))
        scores[key] = of_mean if rule == "mean_logit" else RULES[rule](p)
    if level == "track":
        return scores
    return {
        video: max(p for (other, _), p in scores.items() if other == video)
        for video in {video for video, _ in scores}
    }


def test_a_file_comes_back_as_it_was_written(tmp_path):
    rows = (*drawn_rows(), Row(video="drawn/é", label=0, source="s", group="g", logit=-0.0))
    ScoresFile(header=HEADER, rows=rows).write(tmp_path / "new" / "scores.parquet")
    again = ScoresFile.read(tmp_path / "new" / "scores.parquet")
    assert again.header == HEADER
    assert tuple(again.rows) == rows
    assert again.rows[3] == rows[3]
    assert again.rows[-1] == rows[-1]
    assert again.rows[2:5] == rows[2:5]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scores.parquet"]


def test_a_file_without_rows_comes_back_and_scores_nothing(tmp_path):
    ScoresFile(header=HEADER, rows=()).write(tmp_path / "scores.parquet")
    again = ScoresFile.read(tmp_path / "scores.parquet")
    assert len(again.rows) == len(again.at("video")) == again.at("video").n_videos == 0
    assert again.at("video", "confident").coverage == 0.0


@pytest.mark.parametrize("rule", ["mean", "mean_logit", "confident"])
@pytest.mark.parametrize("level", ["clip", "track", "video"])
def test_levels_are_what_brute_force_makes_of_the_clips(level, rule):
    rows = drawn_rows()
    found = ScoresFile(header=HEADER, rows=rows).at(level, rule)
    wanted = brute_force(rows, level, rule)
    keys = {
        "clip": [(r.video, r.track, r.clip) for r in (rows[i] for i in found.first_row)],
        "track": [(rows[i].video, rows[i].track) for i in found.first_row],
        "video": found.video,
    }[level]
    assert len(found) == len(wanted) == len(set(found.id))
    np.testing.assert_allclose(found.p_fake, [wanted[key] for key in keys], rtol=1e-12)
    facts = {row.video: row for row in rows}
    assert found.label.tolist() == [facts[video].label for video in found.video]
    assert found.source == [facts[video].source for video in found.video]


def test_scores_stand_in_the_order_of_the_file():
    rows = drawn_rows()
    seen = dict.fromkeys(row.video for row in rows if row.logit is not None)
    assert list(ScoresFile(header=HEADER, rows=rows).at("video").id) == list(seen)


def test_the_confident_rule_is_told_apart_from_the_mean():
    rows = [
        Row(video="v", label=1, source="v", track=1, clip=k, logit=5.0 if k < 12 else -3.0)
        for k in range(20)
    ]
    scores = ScoresFile(header=replace(HEADER, calibration=None), rows=rows)
    assert scores.at("video", "confident").p_fake[0] == pytest.approx(1 / (1 + np.exp(-5)))
    assert scores.at("video", "mean").p_fake[0] < 0.65


def test_a_video_without_a_score_is_counted_once_and_never_scored():
    rows = drawn_rows()
    gone = {row.video: row for row in rows if row.logit is None}
    twice = [*rows, *gone.values()]
    for level in ("clip", "track", "video"):
        found = ScoresFile(header=HEADER, rows=twice).at(level)
        assert not set(found.video) & set(gone)
        assert found.missed == Counter(row.outcome for row in gone.values())
        assert found.missed_label == Counter(row.label for row in gone.values())
        assert found.n_videos == 40
        assert found.coverage == (40 - len(gone)) / 40


def test_a_reason_beside_a_score_does_not_make_the_video_missing():
    rows = [
        Row(video="v", label=1, source="v", track=1, logit=1.0),
        Row(video="v", label=1, source="v", track=2, outcome="too_short"),
    ]
    found = ScoresFile(header=HEADER, rows=rows).at("video")
    assert (len(found), found.coverage, sum(found.missed.values())) == (1, 1.0, 0)


def test_uncalibrated_logits_are_read_as_log_odds():
    scores = ScoresFile(header=replace(HEADER, calibration=None), rows=drawn_rows())
    assert scores.p_fake(np.array([0.0, 2.0])) == pytest.approx([0.5, 1 / (1 + np.exp(-2))])


def test_parts_of_a_file_keep_header_order_and_failures():
    scores = ScoresFile(header=HEADER, rows=drawn_rows())

    def keep(row):
        return row.method == "swap"

    kept = scores.where(keep)
    assert kept.header == HEADER
    assert list(kept.rows) == [row for row in scores.rows if keep(row)]
    assert kept.rows == scores.where_video(keep).rows
    assert kept.at("video").missed == Counter(no_face=4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": 0}, "label"),
        ({"source": "another"}, "source"),
        ({"method": "another"}, "method"),
        ({}, "twice"),
        ({"clip": 1, "logit": None}, "contradict"),
        ({"clip": 1, "outcome": "no_face"}, "contradict"),
        ({"clip": 1, "logit": float("nan")}, "contradict"),
    ],
)
def test_rows_that_cannot_all_be_true_are_refused(change, said, tmp_path):
    row = Row(video="v", label=1, source="v", method="swap", track=1, logit=1.0)
    mixed = ScoresFile(header=HEADER, rows=[row, replace(row, **change)])
    with pytest.raises(DataError, match=said):
        mixed.at("video")
    with pytest.raises(DataError, match=said):
        mixed.write(tmp_path / "scores.parquet")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("gone", "there is no such file"),
        ("cut", "damaged, or not written to its end; score again"),
        ("garbage", "damaged, or not written to its end; score again"),
        ("text", "no scores file .*`unmask evaluate` writes these"),
        ("other", "no scores file .*`unmask evaluate` writes these"),
    ],
)
def test_what_cannot_be_read_is_named_and_explained_in_a_users_words(damage, words, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "scores.parquet"
    ScoresFile(header=HEADER, rows=drawn_rows()).write(path)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "garbage":
        path.write_bytes(b"PAR1 garbage PAR1")
    elif damage == "text":
        path.write_text("# What this is about\n")
    else:
        pq.write_table(pa.table({"video": ["v"]}), path)
    with pytest.raises(DataError, match=rf"scores\.parquet: {words}") as told:
        ScoresFile.read(path)
    assert "magic" not in str(told.value)
    assert "Arrow" not in str(told.value)


def test_a_column_too_few_is_refused(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "scores.parquet"
    ScoresFile(header=HEADER, rows=drawn_rows()).write(path)
    pq.write_table(pq.read_table(path).drop_columns(["reason"]), path)
    with pytest.raises(DataError, match="reason"):
        ScoresFile.read(path)


def test_joined_rows_are_the_rows_one_after_another():
    rows = drawn_rows(shuffled=False)
    parts = [Rows.of(rows[:50]), Rows.of([]), Rows.of(rows[50:])]
    assert Rows.joined(parts) == rows
    assert Rows.joined([]) == []


@pytest.mark.slow
def test_five_million_clips_are_workable(tmp_path):
    """A large test set: rows as columns; object by object this would take minutes and many GB."""
    import pyarrow as pa

    n = 5_000_000
    video = np.arange(n) // 32
    small = Rows.of(drawn_rows()).table
    columns = {name: pa.nulls(n, small.schema.field(name).type) for name in small.column_names}
    words = {
        "video": [f"dfdc/fake/{k}" for k in range(video.max() + 1)],
        "source": [f"dfdc/{k}" for k in range(video.max() // 2 + 1)],
    }
    for name, values in words.items():
        places = pa.array(video if name == "video" else video // 2, pa.int32())
        columns[name] = pa.DictionaryArray.from_arrays(places, pa.array(values))
    for name, value in {"outcome": SCORED, "method": "swap", "dataset": "dfdc"}.items():
        zeros = pa.array(np.zeros(n, np.int32))
        columns[name] = pa.DictionaryArray.from_arrays(zeros, pa.array([value]))
    columns |= {
        "label": pa.array(np.ones(n, np.int32)),
        "track": pa.array(np.ones(n, np.int32)),
        "clip": pa.array((np.arange(n) % 32).astype(np.int32)),
        "logit": pa.array(np.random.default_rng(0).normal(size=n)),
        "identities": pa.array([[]] * n, pa.list_(pa.string())),
        "leak": pa.array(np.zeros(n, bool)),
        "reason": pa.array([""] * n),
    }
    table = pa.table(columns).select(small.column_names)
    started_s = time.process_time()
    ScoresFile(header=HEADER, rows=Rows(table)).write(tmp_path / "scores.parquet")
    scores = ScoresFile.read(tmp_path / "scores.parquet")
    assert len(scores.at("video")) == video.max() + 1
    assert len(scores.where_video(lambda row: row.video.endswith("7")).rows) > n // 11
    assert time.process_time() - started_s < 60
