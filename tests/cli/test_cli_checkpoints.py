"""Checkpoints that must not be trusted: each refused with a sentence, none opened as a pickle."""

import json
import pickle
import shutil

import pytest

from unmask.models.checkpoint import sha256


class Trap:
    """Unpickling it would leave a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), "w")


@pytest.fixture
def trap(tmp_path):
    return pickle.dumps(Trap(tmp_path / "opened"))


@pytest.fixture
def folder(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")


@pytest.fixture
def refused(cli, face_clip, tmp_path):
    def scan_with(model, *options):
        done = cli("scan", face_clip, "--model", model, "--frames", 1, *options)
        assert (done.code, done.out) == (2, "")
        assert not (tmp_path / "opened").exists(), "a pickle was opened"
        assert f"unmask: {model}" in done.said
        return done.said

    return scan_with


def edit(folder, change):
    file = folder / "checkpoint.json"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))


def vouch_for(folder, name):
    """Make the hash in the metadata that of the file as it is now."""
    edit(folder, lambda meta: meta["sha256"].update({name: sha256(folder / name)}))


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_a_changed_file_is_noticed(name, folder, refused):
    with (folder / name).open("ab") as file:
        file.write(b"\0")
    assert f"{name}: its contents do not match the hash" in refused(folder)


def test_a_missing_file_is_noticed(folder, refused):
    (folder / "model.onnx").unlink()
    assert "model.onnx: missing" in refused(folder)


@pytest.mark.parametrize("key", ["format", "model", "config", "input_spec", "sha256", "thresholds"])
def test_a_missing_key_is_named(key, folder, refused):
    edit(folder, lambda meta: meta.pop(key))
    said = refused(folder)
    assert f"checkpoint.json: {key}: Field required" in said


def test_an_unknown_format_key_or_value_is_named(folder, refused):
    edit(folder, lambda meta: meta.update(format="unmask.checkpoint/9"))
    assert "format: Input should be 'unmask.checkpoint/1'" in refused(folder)
    edit(folder, lambda meta: meta.update(format="unmask.checkpoint/1", surprise=1))
    assert "surprise: Extra inputs are not permitted" in refused(folder)
    edit(folder, lambda meta: (meta.pop("surprise"), meta["input_spec"].update(size_px="wide")))
    assert "input_spec.size_px" in refused(folder)


def test_metadata_that_is_no_json_is_refused(folder, refused, trap):
    (folder / "checkpoint.json").write_bytes(trap)
    assert "Invalid JSON" in refused(folder)


@pytest.mark.parametrize("ending", ["pt", "pth", "pkl", "ckpt", "bin"])
def test_a_pickle_is_refused_with_the_way_to_convert_it(ending, tmp_path, trap, refused):
    file = tmp_path / f"model.{ending}"
    file.write_bytes(trap)
    said = refused(file)
    assert "a pickled checkpoint" in said
    assert "safetensors" in said


def test_a_pickle_in_disguise_is_refused_whoever_vouches_for_it(folder, refused, trap):
    for name, backend in (("model.onnx", "openvino"), ("weights.safetensors", "torch")):
        (folder / name).write_bytes(trap)
        vouch_for(folder, name)
        assert name in refused(folder, "--backend", backend)


def test_weights_of_another_network_are_refused_by_name(folder, refused):
    edit(folder, lambda meta: meta["config"].update(depth=2))
    said = refused(folder, "--backend", "torch")
    assert "missing blocks.1." in said


def test_a_folder_or_file_that_is_no_checkpoint_is_refused(tmp_path, refused, face_clip):
    (tmp_path / "empty").mkdir()
    assert "no checkpoint.json here" in refused(tmp_path / "empty")
    assert "no checkpoint.json here" in refused(face_clip)


def test_untrained_weights_need_to_be_asked_for(folder, refused):
    edit(folder, lambda meta: meta.update(trained=False))
    assert "--allow-untrained" in refused(folder)
