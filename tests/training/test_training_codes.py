"""Learning from cached codes is learning from the frames they are of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unmask.clips.tensors import cut_views, normalise
from unmask.datasets.augment import AugmentConfig
from unmask.datasets.prepared import Prepared as PreparedSource
from unmask.datasets.samples import DataConfig, open_samples
from unmask.errors import DataError, UsageError
from unmask.models import create
from unmask.training import codes
from unmask.training.codes import refuse_changing_codes, with_codes_of
from unmask.training.crew import Crew
from unmask.training.learner import start_fabric
from unmask.training.plan import TrainConfig
from unmask.training.run import run_recipe

CORRUPTED = AugmentConfig(preset="none", p_corrupt=0.5)
RECIPE = """
name = "coded"
system = "av_cae/face_agg"
cached_codes = true

[model]
size_px = 64
n_frames = 3
n_audio = 50
audio = "embedded"
heads = 2
layers = 1
hidden = 8

[objective]
stage = "joint"

[data]
reader = "prepared"
choose_on = "val"
forged_share = 0.0
augment.preset = "none"

[train]
batch = 4
steps = 5
valid_every = 5
log_every = 1
workers = 0
lr = 1e-3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "coded.toml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sightings every row had that was encoded."""
    rows: list[int] = []
    original = codes.encoded

    def watched(*args: Any) -> Iterator[Any]:
        for row in original(*args):
            rows.append(len(row))
            yield row

    monkeypatch.setattr(codes, "encoded", watched)
    return rows


def events(folder: Path, *names: str) -> list[dict[str, Any]]:
    """Log lines without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    clock = ("img_per_s", "waited")
    return [
        {k: v for k, v in line.items() if k not in clock}
        for line in lines
        if line["event"] in names
    ]


def stores(beside: Path) -> set[str]:
    return {path.parent.name for path in beside.glob("codes/*/codes.json")}


def test_codes_are_learned_from_as_frames_are_bit_for_bit_and_computed_once(
    recipe: str, toy: Path, tmp_path: Path, encoded: list[int]
) -> None:
    for name, over in {
        "codes": [],
        "again": ["model.layers=2", "train.workers=2"],  # what comes after the encoder
        "frames": ["cached_codes=false"],
    }.items():
        run_recipe(recipe, data_dir=toy, out_dir=tmp_path / name, overrides=over)
        if name == "codes":
            n_rows = len(encoded)
            assert n_rows > 40
            assert len(stores(tmp_path)) == 2  # of those learned from, and of those chosen on
    assert len(encoded) == n_rows
    found, expected = (events(tmp_path / name, "train", "valid") for name in ("codes", "frames"))
    assert len(found) == 6
    assert found == expected


def test_codes_of_another_encoder_or_other_data_are_computed_anew(
    recipe: str, toy: Path, tmp_path: Path, encoded: list[int]
) -> None:
    seen: list[set[str]] = []
    for n, over in enumerate((["train.seed=0"], ["train.seed=1"], ["data.train_share=0.5"])):
        still = ["train.steps=1", "train.batch=2", *over]
        run_recipe(recipe, data_dir=toy, out_dir=tmp_path / str(n), overrides=still)
        seen.append(stores(tmp_path))
    assert [len(names) for names in seen] == [2, 4, 5]  # the last chooses on what the first did


def test_an_interrupted_computation_goes_on_with_the_next_shard(
    recipe: str, toy: Path, tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "SHARD_ROWS", 8)
    network = create("av_cae/video_only", size_px=64, n_frames=3, hidden=8, layers=1)
    data = DataConfig(reader="prepared", paths=(toy,), forged_share=0.0)
    samples = open_samples(data, network.input_spec, "all")
    fabric = start_fabric(TrainConfig(device="cpu"))
    original = PreparedSource.sights

    def failing(self: Any, row: int, places: Any) -> Any:
        if len(encoded) == 11:
            raise KeyboardInterrupt
        return original(self, row, places)

    def compute() -> codes.CodedSamples:
        return with_codes_of(samples, network, tmp_path, crew=Crew(fabric), workers=0)

    monkeypatch.setattr(PreparedSource, "sights", failing)
    with pytest.raises(KeyboardInterrupt):
        compute()
    assert len(list(tmp_path.glob("*/*.parquet"))) == 1
    monkeypatch.undo()
    monkeypatch.setattr(codes, "SHARD_ROWS", 8)
    store = compute().store
    source = samples.source
    for row in (0, 7, 8, len(source) - 1):
        views = cut_views(source.sights(row, (2, 0)), network.input_spec)
        images = torch.from_numpy(normalise(views, network.input_spec))
        with torch.no_grad():
            expected = network.frozen_codes(images)
        assert np.array_equal(store.read(row, (2, 0)), expected.numpy())


def test_damaged_codes_are_refused_by_name(recipe: str, toy: Path, tmp_path: Path) -> None:
    run_recipe(recipe, data_dir=toy, out_dir=tmp_path / "one", overrides=["train.steps=1"])
    for file in tmp_path.glob("codes/*/*.parquet"):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"00000\.parquet: these codes are damaged .* remove"):
        run_recipe(recipe, data_dir=toy, out_dir=tmp_path / "two", overrides=["train.steps=1"])


@pytest.mark.parametrize(
    ("system", "data", "said"),
    [
        ("av_cae/video_only", {"augment": AugmentConfig(preset="flip")}, "augmented pictures"),
        ("av_cae/video_only", {"augment": CORRUPTED}, "augmented pictures"),
        ("av_cae/video_only", {"forged_share": 0.5}, "forged on the spot"),
        ("av_cae/audio_only", {}, "no frozen part"),
    ],
)
def test_what_has_no_constant_code_is_refused(system: str, data: dict[str, Any], said: str) -> None:
    fixed: dict[str, Any] = {"augment": AugmentConfig(preset="none"), "forged_share": 0.0}
    with torch.device("meta"):
        network = create(system)
    with pytest.raises(UsageError, match=said):
        refuse_changing_codes(network, DataConfig(**{**fixed, **data}))
    if "no frozen" not in said:
        refuse_changing_codes(network, DataConfig(**fixed))


def test_codes_of_clips_cut_as_one_are_refused() -> None:
    with torch.device("meta"):
        network = create("av_cae/video_only")
    network.input_spec = replace(network.input_spec, region="clip")
    data = DataConfig(augment=AugmentConfig(preset="none"), forged_share=0.0)
    with pytest.raises(UsageError, match="cut for a clip"):
        refuse_changing_codes(network, data)
