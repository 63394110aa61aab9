"""Checkpoints that are damaged, foreign, dangerous or half-written are refused in words."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import CASES, batch

from unmask.errors import CheckpointError, OutputError, UsageError
from unmask.models.base import Network
from unmask.models.checkpoint import FORMAT, GRAPH, METADATA, WEIGHTS, read_checkpoint, sha256
from unmask.models.weights import load_network, load_weights, save_checkpoint
from unmask.pipeline.detector import load
from unmask.types import Calibration, Thresholds

CASE = next(case for case in CASES if case.name == "dtn bare")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint."""
    save_checkpoint(tmp_path, CASE.settled(), name=CASE.model)
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change checkpoint.json by hand."""
    document = json.loads((folder / METADATA).read_text())
    change(document)
    (folder / METADATA).write_text(json.dumps(document))


def logits(network: Network) -> torch.Tensor:
    with torch.no_grad():
        return network(batch(network.input_spec, 3)).logit


def test_everything_said_of_a_checkpoint_comes_back(tmp_path: Path):
    network = CASE.settled()
    calibration = Calibration(slope=1.5, intercept=-0.25, measured_on="calib")
    thresholds = Thresholds(fake=0.9, real=0.4, unit="image", fake_fpr=0.01, measured_on="calib")
    said = {
        "recipe": {"train": {"lr": 1e-4}},
        "data_digest": "abc",
        "metrics": {"auc": 0.75},
        "licence": "research use",
    }
    save_checkpoint(
        tmp_path, network, name=CASE.model, calibration=calibration, thresholds=thresholds, **said
    )
    meta = read_checkpoint(tmp_path).meta
    assert meta.format == FORMAT
    assert (meta.calibration, meta.thresholds) == (calibration, thresholds)
    assert {key: getattr(meta, key) for key in said} == said
    assert meta.trained
    assert meta.input_spec == network.input_spec


def test_a_changed_file_is_refused(folder: Path):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}.*do not match the hash"):
        read_checkpoint(folder)


def test_a_missing_file_is_refused(folder: Path):
    (folder / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: missing"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("model"), "model: Field required"),
        (lambda d: d.pop("input_spec"), "input_spec: Field required"),
        (lambda d: d.pop("trained"), "trained: Field required"),
        (lambda d: d.update(format="unmask.checkpoint/2"), r"format: .*unmask.checkpoint/1"),
        (lambda d: d.pop("format"), "format: Field required"),
        (lambda d: d.update(extra=1), "extra: "),
        (lambda d: d["input_spec"].update(size_px="big"), r"input_spec.size_px: "),
    ],
)
def test_metadata_that_is_not_ours_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], said: str
):
    edit(folder, change)
    with pytest.raises(CheckpointError, match=rf"{METADATA}: .*{said}"):
        read_checkpoint(folder)


def test_metadata_that_is_no_json_is_refused(folder: Path):
    (folder / METADATA).write_text("{")
    with pytest.raises(CheckpointError, match=METADATA):
        read_checkpoint(folder)


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="not a checkpoint folder"):
        read_checkpoint(tmp_path)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".PTH", ".pkl", ".ckpt", ".bin", ".tar"])
def test_a_pickle_is_refused_without_being_opened(tmp_path: Path, suffix: str):
    crater, file = tmp_path / "crater", tmp_path / f"model{suffix}"
    torch.save({"weights": Bomb(crater)}, file)
    with pytest.raises(CheckpointError, match=r"pickled checkpoint.*save_file"):
        read_checkpoint(file)
    with pytest.raises(CheckpointError, match="pickled checkpoint"):
        load(file)
    assert not crater.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "model"])
def test_a_pickle_under_another_name_is_not_opened_either(tmp_path: Path, name: str):
    crater, file = tmp_path / "crater", tmp_path / name
    torch.save({"weights": Bomb(crater)}, file)
    with pytest.raises(CheckpointError, match="not a checkpoint folder"):
        load(file)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_weights(CASE.network(), file)
    assert not crater.exists()


def test_a_pickle_in_place_of_the_weights_is_not_opened(folder: Path):
    crater = folder / "crater"
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb(crater)))
    edit(folder, lambda d: d["sha256"].update({WEIGHTS: sha256(folder / WEIGHTS)}))
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_network(read_checkpoint(folder))
    assert not crater.exists()


def test_the_bomb_would_have_gone_off(tmp_path: Path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "crater")))
    assert (tmp_path / "crater").exists()


def test_weights_of_another_network_are_refused_by_name(folder: Path):
    edit(folder, lambda d: d["config"].update(groups=[[8, 1], [16, 2], [32, 1]]))
    with pytest.raises(CheckpointError, match=r"missing backbone.*unexpected|missing backbone"):
        load_network(read_checkpoint(folder))
    edit(folder, lambda d: d["config"].update(groups=[[9, 1], [16, 1], [32, 1]]))
    with pytest.raises(CheckpointError, match=r"backbone\.0\.weight is \(8, .*\), not \(9, "):
        load_network(read_checkpoint(folder))


def test_a_checkpoint_without_weights_says_so(folder: Path):
    (folder / WEIGHTS).unlink()
    (folder / GRAPH).write_bytes(b"graph")
    edit(folder, lambda d: d.update(sha256={GRAPH: sha256(folder / GRAPH)}))
    checkpoint = read_checkpoint(folder)
    assert checkpoint.graph == folder / GRAPH
    with pytest.raises(CheckpointError, match="a graph to scan with but no weights"):
        load_network(checkpoint)


SENSIBLE = {
    "calibration": {"slope": 2.0, "intercept": 0.1, "measured_on": "toy"},
    "thresholds": {
        "fake": 0.9,
        "real": 0.3,
        "unit": "image",
        "fake_fpr": 0.01,
        "real_fpr": 0.5,
        "real_fnr": 0.05,
        "measured_on": "toy",
    },
}


def test_a_checkpoint_of_an_unknown_network_is_refused(folder: Path):
    edit(folder, lambda d: d.update(model="nothing"))
    with pytest.raises(CheckpointError, match="'nothing' is not in the table"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["input_spec"].pop("alignment"), "input_spec lacks alignment"),
        (lambda d: d["calibration"].pop("slope"), "calibration lacks slope"),
        (lambda d: d["calibration"].update(slope=-1.0), "positive slope"),
        (lambda d: d.update(calibration=None), "thresholds need a calibration"),
        (lambda d: d["thresholds"].update(fake=0.3, real=0.9), "real <= fake"),
        (lambda d: d["thresholds"].update(fake=7.0), "fake <= 1"),
        (lambda d: d["input_spec"].update(std=[0, 0, 0]), "positive sizes and deviations"),
    ],
)
def test_metadata_that_would_change_answers_in_silence_is_refused(folder: Path, change, said):
    edit(folder, lambda d: d.update(SENSIBLE))
    read_checkpoint(folder)
    edit(folder, change)
    with pytest.raises(CheckpointError, match=said):
        read_checkpoint(folder)


class Killed(BaseException):
    """The process ends here; nothing may catch it."""


@pytest.mark.parametrize("death", [Killed, OSError])
@pytest.mark.parametrize("moment", range(4))
def test_a_save_cut_short_never_gives_a_wrong_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: int, death: type[BaseException]
):
    """The old checkpoint answers as before, or the folder is refused."""
    old = logits(load_network(read_checkpoint(folder)))
    new = CASE.settled(seed=9)
    assert not torch.equal(logits(new), old)
    moves = 0
    steps = {"replace": Path.replace, "unlink": Path.unlink}

    def dying(step: str) -> Callable[..., Any]:
        def act(self: Path, *args: Any, **kwargs: Any) -> Any:
            nonlocal moves
            if moves == moment:
                raise death("no space left")
            moves += 1
            return steps[step](self, *args, **kwargs)

        return act

    with monkeypatch.context() as patch:
        for step in steps:
            patch.setattr(Path, step, dying(step))
        if moment < 3:
            with pytest.raises(OutputError if death is OSError else death):
                save_checkpoint(folder, new, name=CASE.model)
        else:
            save_checkpoint(folder, new, name=CASE.model)

    if moment == 3:  # weights, graph and metadata have all found their place
        assert torch.equal(logits(load_network(read_checkpoint(folder))), logits(new))
    elif moment == 0:
        assert torch.equal(logits(load_network(read_checkpoint(folder))), old)
    else:
        with pytest.raises(CheckpointError, match="do not match the hash"):
            read_checkpoint(folder)


def test_random_weights_are_never_used_unasked(tmp_path: Path):
    with pytest.raises(CheckpointError, match="--allow-untrained"):
        load("mesonet-4")
    save_checkpoint(tmp_path, CASE.settled(), name=CASE.model, trained=False)
    with pytest.raises(CheckpointError, match=r"untrained.*--allow-untrained"):
        load(tmp_path)


def test_random_weights_are_named_untrained_when_they_are_asked_for(tmp_path: Path):
    save_checkpoint(tmp_path, CASE.settled(), name=CASE.model, trained=False)
    detector = load(tmp_path, backend="torch", device="cpu", allow_untrained=True)
    assert not detector.model.trained


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="mesonet-4"):
        load("mesonet4")
