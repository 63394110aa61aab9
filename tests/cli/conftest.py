"""Running `unmask` as a person does: in this process, or as a command of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest
import zoo as animals

from face_clips import write_walk
from unmask.cli.main import run
from unmask.report.schema import from_json

TRAINING_ONLY = (
    *("torch", "torchvision", "timm", "einops", "lightning", "lightning_fabric", "pyarrow"),
    *("fsspec", "sklearn", "scipy", "matplotlib", "safetensors", "onnx", "onnxscript", "captum"),
)
# Runs `unmask` where nothing of the training extra can be imported and no socket is opened.
ALONE = """
import sys
def watch(event, args):
    if event.startswith("socket.") and event != "socket.__new__":
        sys.stderr.write(f"NETWORK {event} {args}\\n")
        raise OSError(f"a scan used the network: {event} {args}")
sys.addaudithook(watch)
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from unmask.cli.main import run
run()
"""


@dataclass
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self):
        """Everything on stderr in one line, without the frames that are drawn around errors."""
        return " ".join(re.sub(r"[│╭╮╰╯─]", " ", self.err).split())

    @property
    def documents(self):
        """The JSON Lines on stdout, each validated."""
        return [from_json(line) for line in self.out.splitlines()]


def _checked(code, out, err):
    assert "Traceback" not in out + err, err
    return Ended(code, out, err)


@pytest.fixture
def cli(monkeypatch, capfd):
    """Run a command in this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def run_here(*args):
        monkeypatch.setattr(sys, "argv", ["unmask", *map(str, args)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        return _checked(ended.value.code or 0, *capfd.readouterr())

    return run_here


def run_command(*args, program=("-m", "unmask"), **env):
    """Run a command as a process of its own."""
    done = subprocess.run(
        [sys.executable, *program, *map(str, args)],
        capture_output=True,
        check=False,
        env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", **env},
    )
    return _checked(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def command():
    return run_command


@pytest.fixture(scope="session")
def alone():
    """What runs `unmask` as a process without the training extra and without a network."""
    return ("-c", ALONE, ",".join(TRAINING_ONLY))


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory):
    return write_walk(tmp_path_factory.mktemp("clip") / "face.mp4")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    return animals.fill(tmp_path_factory.mktemp("zoo") / "alle Dateien ü")


@pytest.fixture(scope="session")
def zoo_run(zoo, tiny_checkpoint):
    """All files and a missing one, scanned at once by the scanner alone."""
    return run_command(
        *("scan", zoo, zoo / "missing.mp4", "--model", tiny_checkpoint, "--frames", 4),
        *("--json", "-", "--html", zoo.parent / "bericht é.html"),
        program=("-c", ALONE, ",".join(TRAINING_ONLY)),
    )


@pytest.fixture(scope="session")
def answers(zoo_run):
    """File name -> its JSON document."""
    return {document.input.path.rsplit("/", 1)[1]: document for document in zoo_run.documents}
