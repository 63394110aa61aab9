"""A protocol says exactly which videos a number is of, and why a number is not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handmade_scores import METHODS, made

from unmask.errors import UsageError
from unmask.evaluation.protocols import PROTOCOLS, applicable, find_protocol, slices_of
from unmask.evaluation.runs import Learned, Run, face_px, learned_from


def run(scores=None, **learned) -> Run:
    scores = scores or made(12)
    return Run(scores=scores, learned=Learned(**learned) if learned else Learned())


def slices(protocol: str, of: Run) -> dict[str, set[str] | str]:
    """Ids of the videos of each slice, or why it has none."""
    return {
        part.name: part.why_not if part.scores is None else {row.video for row in part.scores.rows}
        for part in PROTOCOLS[protocol].slices(of)
    }


def test_each_method_stands_against_all_reals_and_no_other_fakes():
    found = slices("manipulation", run())
    assert set(found) == set(METHODS)
    for method, videos in found.items():
        assert sum("/original/" in video for video in videos) == 12
        assert sum(f"/{method}/" in video for video in videos) == 12
        assert len(videos) == 24


def test_one_to_others_wants_a_detector_of_one_method_and_says_so_of_others():
    matrix = slices("one-to-others", run(datasets=("made",), methods=("FaceSwap",)))
    assert set(matrix) == {f"FaceSwap on {method}" for method in METHODS}
    (why,) = slices("one-to-others", run(datasets=("made",))).values()
    assert why.startswith("learned from Deepfakes, Face2Face, FaceSwap, NeuralTextures; this wants")
    (why,) = slices("one-to-others", run()).values()
    assert "not known" in why


def test_leave_one_out_shows_what_was_left_out_beside_what_was_learned():
    found = slices("leave-one-out", run(datasets=("made",), methods=METHODS[:3]))
    assert list(found) == [
        "left out: NeuralTextures",
        "learned: Deepfakes, Face2Face, FaceSwap",
    ]
    assert not any("NeuralTextures" in video for video in list(found.values())[1])
    (why,) = slices("leave-one-out", run(datasets=("made",))).values()
    assert why.startswith("learned from every method")


def test_within_and_cross_divide_data_by_what_was_learned_from():
    assert set(slices("within", run(datasets=("made",)))) == {"made"}
    (why,) = slices("cross", run(datasets=("made",))).values()
    assert why == "the detector learned from made, the data are made"
    assert set(slices("cross", run(datasets=("other",)))) == {"made"}
    assert "not known" in next(iter(slices("cross", run()).values()))


def test_what_was_learned_is_read_from_the_recipe_with_its_own_forgeries():
    recipe = {"data": {"methods": ["FaceSwap"], "forged_share": 0.5, "forge_methods": ["swap"]}}
    learned = learned_from(made(1, recipe=recipe).header)
    assert learned == Learned(datasets=("made",), methods=("FaceSwap", "swap"))


def test_who_learned_from_forged_reals_alone_learned_no_method_of_the_data():
    forging = {"methods": [], "forged_share": 1.0, "forge_methods": ["self_blend"]}
    alone = learned_from(replace(made(2).header, recipe={"data": forging}))
    assert alone.methods == ("self_blend",)
    assert alone.methods_of(METHODS, ["made"]) == ()
    half = learned_from(replace(made(2).header, recipe={"data": {**forging, "forged_share": 0.5}}))
    assert half.methods_of(METHODS, ["made"]) == METHODS


def test_compressions_and_groups_divide_all_videos():
    for protocol, names in (("compression", {"c23", "c40"}), ("group", {"north", "south", "west"})):
        found = slices(protocol, run())
        gap = found.pop("gap between groups", None)
        assert set(found) == names
        assert len(set.union(*found.values())) == sum(map(len, found.values())) == 60
        assert gap is None or len(gap) == 60


def test_a_video_falls_in_one_bin_of_face_sizes_whatever_its_clips_and_none_is_lost():
    found = slices("face-size", run(made(60, missed=3)))
    videos = [video for part in found.values() if isinstance(part, set) for video in part]
    assert len(videos) == len(set(videos)) == 300
    assert len(found["no face size known"]) == 3
    assert len(found["below 80 px"]) == 5 * 5 - 3  # 60, 64, .. 76 px


def test_data_without_a_column_name_the_reason():
    plain = made(3)
    bare = type(plain)(
        header=plain.header,
        rows=tuple(type(r)(video=r.video, label=r.label, source=r.source, track=0, clip=r.clip,
                           logit=r.logit) for r in plain.rows),
    )  # fmt: skip
    assert slices("compression", run(bare)) == {"compression": "the data name no compressions"}
    assert slices("group", run(bare)) == {"group": "the data name no groups"}


def test_corrupted_runs_go_into_the_protocol_of_corruptions_alone():
    clean, blurred = run(made(3)), run(made(3, corruption="blur:3"))
    found = slices_of([clean, blurred], ["overall", "corruption"])
    assert [(name, part.name) for name, part in found] == [
        ("overall", "all"),
        ("corruption", "none"),
        ("corruption", "blur:3"),
    ]


def test_protocols_that_would_say_more_are_named():
    assert applicable(run()) == ["manipulation", "compression", "face-size", "group"]


def test_an_unknown_protocol_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match='did you mean "manipulation"'):
        find_protocol("manipulations")


def test_the_size_of_a_videos_faces_is_the_median_over_its_clips():
    rng = np.random.default_rng(0)
    scores = made(6, clips=5, missed=2)
    rows = [
        replace(row, face_px=None if row.clip == 2 else float(rng.integers(50, 300)))
        if row.logit is not None
        else row
        for row in scores.rows
    ]
    found = face_px(replace(scores, rows=tuple(rows)))
    for row, size in zip(rows, found, strict=True):
        own = [r.face_px for r in rows if r.video == row.video and r.face_px is not None]
        assert size == pytest.approx(np.median(own)) if own else np.isnan(size)
