"""Laws of kin: nobody measures unawares on what a detector learned from or was chosen on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from exam_data import write_crops

from unmask.datasets.faces import read_parquet
from unmask.datasets.learned import LEARNED, Learned, read_learned
from unmask.datasets.manifest import Video
from unmask.errors import CheckpointError, DataError
from unmask.evaluation.exam import Wanted
from unmask.evaluation.fitted import FITTED
from unmask.evaluation.leaks import find_kin, refuse_kin
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.predict import predict
from unmask.evaluation.protocols import PROTOCOLS
from unmask.evaluation.runs import Run, learned_from
from unmask.models.checkpoint import packaged, read_checkpoint
from unmask.models.weights import load_network, save_checkpoint
from unmask.training.lessons import learned_by
from unmask.training.recipe import Recipe
from unmask.types import InputSpec


def video(name, *, dataset="ffpp", sources=(), people=(), method="swap", **more):
    ids = {"id": f"{dataset}/{method}/{name}", "path": f"{name}.mp4"}
    label = int(method != "original")
    facts = {"sources": sources, "identities": people, "label": label, **more}
    return Video(dataset=dataset, method=method, **ids, **facts)


def remembering(folder, checkpoint, learned):
    """The checkpoint, with a record of what it learned from."""
    network = load_network(read_checkpoint(checkpoint))
    beside = None if learned is None else {LEARNED: learned.document()}
    save_checkpoint(folder, network, name="dtn/small", beside=beside)
    return folder


LEARNT = Learned.of_videos(
    [
        video("000_003", sources=("ffpp/000", "ffpp/003"), original="ffpp/original/000"),
        video("a", dataset="celebdf", people=("id7",), sha256="c" * 64),
        video("b", dataset="dfdc", sources=("dfdc/aabbccddee",)),
    ]
)


@pytest.mark.parametrize(
    ("asked", "shared"),
    [
        (video("x", dataset="deeperforensics", sources=("ffpp/003",)), ("source", "ffpp/003")),
        (video("000", method="original"), ("original", "ffpp/original/000")),
        (video("x", dataset="celebdf", people=("id7", "id8")), ("identity", "celebdf/id7")),
        (video("x", dataset="copies", sha256="c" * 64), ("content", "c" * 64)),
    ],
)
def test_whoever_shares_a_recording_a_person_or_bytes_is_kin(asked, shared):
    assert shared in LEARNT.kin_of(asked)


@pytest.mark.parametrize(
    "asked",
    [
        video("001_002", sources=("ffpp/001", "ffpp/002")),
        video("x", dataset="other", people=("id7",)),  # another data set's number 7
        video("x", dataset="other", sources=("other/000",)),
        video("x", dataset="copies", sha256="d" * 64),
    ],
)
def test_strangers_are_no_kin(asked):
    assert LEARNT.kin_of(asked) == []


def test_crops_and_videos_of_one_recording_are_kin_where_its_name_is_distinct():
    crops = Learned.of_crops(["aabbccddee", "000"])
    assert LEARNT.kin_of_crop("aabbccddee") == [("named", "aabbccddee")]
    assert LEARNT.kin_of_crop("000") == []
    assert crops.kin_of_crop("000") == [("crop", "000")]
    assert crops.kin_of(video("b", dataset="dfdc", sources=("dfdc/aabbccddee",)))
    assert crops.kin_of(video("0", sources=("ffpp/000",))) == []


def test_a_record_comes_back_and_names_nobody(tmp_path):
    learned = LEARNT | Learned(unrecorded=("teacher = runs/a b/best",))
    (tmp_path / LEARNED).write_bytes(learned.document())
    assert read_learned(tmp_path) == learned
    assert b"id7" not in learned.document()
    assert b"003" not in b"".join(learned.document().splitlines()[:2])
    (tmp_path / LEARNED).write_text("something else\n")
    with pytest.raises(CheckpointError, match="not a record"):
        read_learned(tmp_path)


def test_a_changed_record_is_a_damaged_checkpoint(tiny_checkpoint, tmp_path):
    folder = remembering(tmp_path / "best", tiny_checkpoint, LEARNT)
    assert read_learned(read_checkpoint(folder).folder) == LEARNT
    (folder / LEARNED).write_bytes(Learned().document())
    with pytest.raises(CheckpointError, match=LEARNED):
        read_checkpoint(folder)


def test_kin_of_what_was_learned_are_refused_and_counted(crops, tiny_checkpoint, tmp_path):
    learned = Learned.of_crops([f"recording-{k}" for k in range(8, 30)])
    best = remembering(tmp_path / "best", tiny_checkpoint, learned)
    shutil.copytree(crops, tmp_path / "faces")
    file = tmp_path / "s.parquet"
    exam = open_exam(
        tmp_path / "faces", Wanted(spec=read_checkpoint(best).meta.input_spec, part="val")
    )
    assert find_kin(exam, best).leaks == 4
    with pytest.raises(DataError, match=r"4 of 20 videos .*recording-8.*--allow-leaks"):
        refuse_kin(find_kin(exam, best), "best")
    scores = predict(best, tmp_path / "faces", file, part="val", allow_leaks=True)
    assert (scores.header.leaks, scores.header.leaks_allowed) == (4, True)
    akin = {row.source for row in scores.rows if row.leak}
    assert akin == {"faces/recording-8", "faces/recording-9"}


def test_a_test_side_of_kin_is_refused_unless_asked_for(raw_prepared, tiny_checkpoint, tmp_path):
    learned = Learned.of_videos([video("x", dataset="drawn", sources=("drawn/ann.mp4",))])
    best = remembering(tmp_path / "best", tiny_checkpoint, learned)
    file = tmp_path / "s.parquet"
    with pytest.raises(DataError, match=r"2 of 6 videos .*recording drawn/ann\.mp4"):
        predict(best, raw_prepared, file)
    assert not file.exists()
    header = predict(best, raw_prepared, file, allow_leaks=True).header
    assert (header.leaks, header.leaks_allowed, header.trained_on) == (2, True, ("drawn",))


def test_without_a_record_nothing_is_claimed(raw_prepared, tiny_checkpoint, tmp_path):
    header = predict(tiny_checkpoint, raw_prepared, tmp_path / "s.parquet").header
    assert (header.leaks, header.leaks_allowed) == (None, False)
    gaps = Learned(unrecorded=("teacher = elsewhere",))
    best = remembering(tmp_path / "best", tiny_checkpoint, gaps)
    assert predict(best, raw_prepared, tmp_path / "gaps.parquet").header.leaks is None


def test_a_strangers_record_proves_that_nothing_leaks(raw_prepared, tiny_checkpoint, tmp_path):
    best = remembering(tmp_path / "best", tiny_checkpoint, LEARNT)
    assert predict(best, raw_prepared, tmp_path / "s.parquet").header.leaks == 0


def test_kinship_that_an_official_split_leaves_is_admitted_and_told(raw_prepared, tmp_path):
    learned = Learned.of_videos([video("x", dataset="drawn", sources=("drawn/ann.mp4",))])
    (tmp_path / LEARNED).write_bytes(learned.document())
    exam = open_exam(raw_prepared, Wanted(spec=_face_spec()))
    admitted = find_kin(replace(exam, overlaps=("source",)), tmp_path)
    assert (admitted.leaks, admitted.overlaps) == (0, ("source",))
    (tmp_path / LEARNED).write_bytes(replace(learned, datasets=frozenset({"b"})).document())
    assert find_kin(replace(exam, overlaps=("source",)), tmp_path).leaks == 2


def test_a_student_remembers_what_its_teacher_and_its_beginning_learned(tiny_checkpoint, tmp_path):
    source = read_parquet([write_crops(tmp_path / "faces.parquet", range(3))])
    knows = remembering(tmp_path / "knows", tiny_checkpoint, LEARNT)
    keeps_none = remembering(tmp_path / "none", tiny_checkpoint, None)
    recipe = Recipe(
        name="student",
        system="dtn/small",
        teacher=str(knows),
        init=("timm:resnet18", str(keeps_none)),
    )
    learned = learned_by(recipe, source)
    assert learned.keys == LEARNT.keys | Learned.of_crops(source.originals).keys
    assert learned.unrecorded == (f"init = {keeps_none}",)


@pytest.mark.slow
def test_a_run_writes_what_it_learned_from_and_was_chosen_on(tmp_path):
    from unmask.datasets.toy import ToyConfig, make_toy
    from unmask.training.run import run_recipe

    torch.set_num_threads(1)
    make_toy(tmp_path / "toy", ToyConfig(people=12, fakes_each=4))
    changes = ["scale=tiny", "train.steps=2", "train.valid_every=1", "train.batch=4"]
    out = tmp_path / "run"
    run_recipe("dtn/paper", overrides=changes, data_dir=tmp_path / "toy", out_dir=out)
    spec = read_checkpoint(out / "best").meta.input_spec
    counts = {}
    for part in ("train", "val", "test"):
        exam = open_exam(tmp_path / "toy", Wanted(spec=spec, part=part))
        counts[part] = find_kin(exam, out / "best").leaks
    assert counts["test"] == 0
    assert min(counts["train"], counts["val"]) > 0


@pytest.mark.parametrize("named", ["faces", "faces/train.parquet"])
def test_who_learns_from_crops_is_at_home_on_them_and_abroad_elsewhere(
    tiny_checkpoint, tmp_path, named
):
    write_crops(tmp_path / "faces" / "train.parquet", range(3))
    write_crops(tmp_path / "faces" / "val.parquet", range(5, 8))
    write_crops(tmp_path / "others" / "val.parquet", range(8, 11))
    learned = read_parquet([tmp_path / named]).learned()
    best = remembering(tmp_path / "best", tiny_checkpoint, learned)
    measured = {}
    for data in ("faces", "others"):
        scores = predict(best, tmp_path / data, tmp_path / f"{data}.parquet", part="val")
        run = Run(scores=scores, learned=learned_from(scores.header))
        measured[data] = [
            name for name in ("within", "cross") if PROTOCOLS[name].slices(run)[0].scores
        ]
    assert measured == {"faces": ["within"], "others": ["cross"]}


def test_the_packaged_detector_remembers_what_it_learned_from_and_was_fitted_on():
    folder = packaged("default")
    assert folder is not None
    learned = read_learned(folder)
    crops, videos = {"dfdc_faces", "reals_faces", "stills_faces"}, {"dfdc", "film", "stills"}
    assert learned.datasets == crops | videos
    assert len(learned.keys) > 1000
    assert FITTED in read_checkpoint(folder).meta.sha256


def _face_spec():
    return InputSpec(size_px=64)
