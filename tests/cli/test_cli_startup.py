"""`unmask` answers at once: a verb imports what it needs and nothing more."""

import subprocess
import sys

import pytest

import unmask

LOADED = """
import sys
from unmask.cli.main import run
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write(" ".join(name for name in sys.modules if "." not in name))
"""
HEAVY = {"numpy", "cv2", "av", "openvino", "torch", "torchvision", "timm", "rich"}


def loaded_by(*args):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *args], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split()), done.stdout


@pytest.mark.parametrize("args", [["--help"], ["scan", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args):
    loaded, said = loaded_by(*args)
    assert said
    assert not loaded & HEAVY


def test_models_are_listed_without_torch():
    loaded, said = loaded_by("models")
    assert "dtn" in said
    assert not loaded & {"torch", "torchvision", "timm", "openvino", "cv2", "av"}


def test_help_names_every_verb_and_every_option_has_a_help_text(cli):
    done = cli("--help")
    for verb in ("scan", "demo", "doctor", "forge", "models", "train"):
        assert f"\n  {verb} " in done.out
        text = cli(verb, "--help").out
        assert max(map(len, text.splitlines())) <= 80
        options = text.split("Options:")[1].replace("\n" + " " * 8, " ").splitlines()
        assert all(len(option.split(maxsplit=2)) == 3 for option in options if option), options


def test_the_version_is_the_packages(cli):
    assert cli("--version").out == f"unmask {unmask.__version__}\n"
    assert unmask.__version__ in cli("--version").out


def test_a_mistake_of_ours_is_told_without_a_traceback_unless_asked(cli, monkeypatch, caplog):
    from unmask.models import catalogue

    monkeypatch.setattr(catalogue, "catalogue", lambda: 1 / 0)
    done = cli("models")
    assert done.code == 1
    assert "unexpected failure (ZeroDivisionError: division by zero)" in done.said
    assert "--verbose" in done.said
