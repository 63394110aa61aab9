"""What is on disk is always complete, readable without pickle, and enough."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.errors import CheckpointError, OutputError
from unmask.models import create
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import load_network, save_checkpoint
from unmask.training import state
from unmask.training.folder import replacing
from unmask.training.state import Progress, read_state, write_state
from unmask.training.validation import Scores

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None  # type: ignore[assignment]


def draws() -> list[float]:
    return [torch.rand(()).item(), float(np.random.rand()), random.random()]  # noqa: NPY002


def test_random_states_survive_the_disk(tmp_path: Path) -> None:
    state.seed_all(3)
    np.random.normal()  # noqa: NPY002 - leaves a cached second draw behind
    write_state(tmp_path / "state.pt", {"random": state.random_state()})
    expected = [draws() for _ in range(3)]
    state.seed_all(4)
    state.set_random_state(read_state(tmp_path / "state.pt")["random"])
    assert [draws() for _ in range(3)] == expected


def test_progress_survives_the_disk(tmp_path: Path) -> None:
    best = Scores(
        auc=0.75,
        loss=0.5,
        parts={"ce": 0.5},
        fake_loss=0.6,
        real_loss=0.4,
        n=4,
        n_fake=2,
        n_called_fake=1,
    )
    progress = Progress(
        step=9,
        elapsed_s=1.5,
        validated_step=8,
        stale=2,
        best_step=5,
        losses=[0.7, 0.5],
        best=best,
        best_weights={"w": torch.arange(3.0)},
    )
    write_state(tmp_path / "state.pt", {"progress": progress.state()})
    restored = Progress.restored(read_state(tmp_path / "state.pt")["progress"])
    assert torch.equal(restored.best_weights.pop("w"), progress.best_weights.pop("w"))
    assert restored == progress


@pytest.mark.skipif(resource is None, reason="the system has no limit to set")
def test_a_full_disk_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_state(path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow beyond 64 KiB: writing fails half-way, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot save.*saved before is intact"):
            write_state(path, {"step": 2, "weights": torch.ones(1 << 16)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_state(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(resource is None, reason="the system has no limit to set")
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    def keep() -> None:
        groups = [[4, 1], [4, 1], [8, 1], [8, 1], [8, 1]]
        network = create("dtn/small", size_px=32, groups=groups, depth=1, heads=2, expert_hidden=4)
        with replacing(tmp_path / "best") as place:
            save_checkpoint(place, network, name="dtn/small")

    keep()
    before = {file.name: file.read_bytes() for file in (tmp_path / "best").iterdir()}
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, limit[1]))
    try:
        with pytest.raises(OutputError, match="could not be written"):
            keep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert {file.name: file.read_bytes() for file in (tmp_path / "best").iterdir()} == before
    assert list(tmp_path.iterdir()) == [tmp_path / "best"]
    keep()  # and with room again it is replaced as a whole
    load_network(read_checkpoint(tmp_path / "best"))
    assert (tmp_path / "best" / "weights.safetensors").read_bytes() != before["weights.safetensors"]


def test_saving_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no state was saved before"):
        write_state(tmp_path / "absent" / "state.pt", {})


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_a_damaged_state_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "state.pt"
    write_state(path, {"weights": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"state\.pt: not a readable training state"):
        read_state(path)


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("code was run",)

    path = tmp_path / "state.pt"
    torch.save({"format": state.FORMAT, "trap": Trap()}, path)
    with pytest.raises(CheckpointError, match="not a readable training state"):
        read_state(path)


def test_a_state_of_another_format_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="another version"):
        read_state(tmp_path / "state.pt")
