"""The scanner as it is installed: its own environment, without the packages that train."""

import os
import subprocess
import venv
from pathlib import Path

import pytest

from unmask.report.schema import from_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """Folder of the commands of a fresh environment with the core install."""
    folder = tmp_path_factory.mktemp("core") / "venv"
    venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [commands / "python", "-m", "pip", "install", "--quiet"]
    pins = ROOT / "requirements" / "core.txt"
    subprocess.run([*pip, "-r", pins], check=True)
    subprocess.run([*pip, "--no-deps", ROOT], check=True)
    return commands


def run_in(folder, *command):
    command = [str(word) for word in command]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_core_install_scans_a_clip_without_torch(core, face_clip, tiny_checkpoint, tmp_path):
    scan = ["scan", face_clip, "--model", tiny_checkpoint, "--frames", "4", "--json", "-"]
    done = run_in(tmp_path, core / "unmask", *scan, "--html", "report.html")
    assert done.returncode == 0, done.stderr
    document = from_json(done.stdout)
    assert len(document.tracks[0].scores) == 4
    assert (tmp_path / "report.html").is_file()
    torch = run_in(tmp_path, core / "python", "-c", "import torch")
    assert torch.returncode != 0
    assert "No module named 'torch'" in torch.stderr


def test_what_needs_the_training_extra_says_how_to_get_it(
    core, face_clip, tiny_checkpoint, tmp_path
):
    for args in (
        ["scan", face_clip, "--model", tiny_checkpoint, "--backend", "torch"],
        ["scan", face_clip, "--model", "mesonet-4", "--allow-untrained"],
        ["train", "dtn/small-dfdc"],
    ):
        done = run_in(tmp_path, core / "unmask", *args)
        assert done.returncode == 2
        assert "pip install 'unmask[train]'" in done.stderr
        assert "Traceback" not in done.stderr
    assert run_in(tmp_path, core / "unmask", "models").returncode == 0
