"""`unmask explain` as a person uses it."""

import json
import shutil

import cv2
import numpy as np
import pytest

from unmask.models.checkpoint import METADATA
from unmask.pipeline.explained import choose
from unmask.types import ClipScore


def test_a_picture_is_explained_with_a_caution(cli, tiny_checkpoint, face_clip, tmp_path):
    out = tmp_path / "out"
    done = cli("explain", face_clip, "--out", out, "--model", tiny_checkpoint, "--frames", 4)
    assert done.code == 0, done.err
    assert "no proof" in " ".join(done.out.split())
    told = json.loads((out / "explained.json").read_text(encoding="utf-8"))
    assert told["schema"] == "unmask.explain/1"
    assert "no proof" in told["caution"]
    (person,) = told["people"]
    assert len(person["scores"]) == 4
    for clip in person["clips"]:
        # The exact map's mean is the logit: the numbers in the file are those of the score.
        assert np.mean(clip["map"]) == pytest.approx(clip["logit"], abs=1e-3)
    picture = cv2.imread(str(out / person["picture"]))
    assert picture is not None
    assert picture.shape[1] > 600


def test_two_looks_are_explained_together(cli, tiny_checkpoint, face_clip, tmp_path):
    """The map is of the score that a scan gives, the mean of a face's and its mirror image's."""
    looked_at = {}
    for mirrored in (False, True):
        folder = tmp_path / f"mirrored-{mirrored}"
        shutil.copytree(tiny_checkpoint, folder)
        meta = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        (folder / METADATA).write_text(json.dumps(meta | {"mirrored": mirrored}), encoding="utf-8")
        out = tmp_path / f"out-{mirrored}"
        done = cli("explain", face_clip, "--out", out, "--model", folder, "--frames", 2)
        assert done.code == 0, done.err
        told = json.loads((out / "explained.json").read_text(encoding="utf-8"))
        looked_at[mirrored] = told["people"][0]["clips"]
    for once, twice in zip(looked_at[False], looked_at[True], strict=True):
        assert np.mean(twice["map"]) == pytest.approx(twice["logit"], abs=1e-4)
        assert twice["logit"] != pytest.approx(once["logit"], abs=2e-4)


def test_another_explanation_is_taken_when_asked_for(cli, tiny_checkpoint, face_clip, tmp_path):
    done = cli(
        *("explain", face_clip, "--out", tmp_path, "--model", tiny_checkpoint),
        *("--frames", 2, "--method", "rollout"),
    )
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "explained.json").read_text(encoding="utf-8"))
    assert (told["method"], told["signed"]) == ("rollout", False)


def test_a_method_that_does_not_fit_is_refused(cli, tiny_checkpoint, face_clip, tmp_path):
    asked = ("explain", face_clip, "--out", tmp_path, "--model", tiny_checkpoint, "--method")
    for method, why in (("guide", "no guiding maps"), ("tea", "no such method")):
        done = cli(*asked, method)
        assert done.code == 2
        assert why in done.err


def test_who_only_listens_cannot_be_explained_on_a_picture(cli, face_clip, tmp_path):
    done = cli(
        *("explain", face_clip, "--out", tmp_path, "--model", "av_cae/audio_only"),
        "--allow-untrained",
    )
    assert done.code == 2
    assert "only listens" in done.err


def test_nobody_found_is_an_answer(cli, tiny_checkpoint, tmp_path):
    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((120, 160, 3), 128, np.uint8))
    done = cli("explain", grey, "--out", tmp_path / "out", "--model", tiny_checkpoint)
    assert done.code == 0, done.err
    assert "nothing to explain" in done.out
    told = json.loads((tmp_path / "out" / "explained.json").read_text(encoding="utf-8"))
    assert told["people"] == []
    assert told["reasons"] == ["no_face"]


def test_without_torch_it_says_what_to_install(command, alone, face_clip, tmp_path):
    done = command("explain", face_clip, "--out", tmp_path, program=alone)
    assert done.code == 2
    assert "pip install 'unmask[train]'" in done.said
    assert "--html" in done.said, "and what shows maps without"


def test_equal_scores_are_no_reason_to_show_fewer_clips():
    scores = [
        ClipScore(track_id=1, t_s=float(t), logit=9.0, p_fake=1.0, box_xyxy_px=(0, 0, 1, 1))
        for t in range(10)
    ]
    assert len({score.t_s for score in choose(scores, 4)}) == 4


def test_the_most_and_the_least_suspicious_clips_are_always_shown():
    def score(i, p_fake):
        return ClipScore(track_id=1, t_s=float(i), logit=0.0, p_fake=p_fake, box_xyxy_px=(0,) * 4)

    rng = np.random.default_rng(0)
    for n in (1, 3, 7, 40):
        scores = [score(i, p) for i, p in enumerate(rng.random(n))]
        for count in (1, 2, 6):
            chosen = choose(scores, count)
            assert len(chosen) == min(n, count)
            assert [s.t_s for s in chosen] == sorted({s.t_s for s in chosen})
            assert max(scores, key=lambda s: s.p_fake) in chosen
            if count > 1:
                assert min(scores, key=lambda s: s.p_fake) in chosen
