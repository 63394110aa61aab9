"""What a network learned on is what it is asked about, and every runtime gives its answer."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from unmask.datasets.loader import ordered
from unmask.datasets.samples import PlainSamples
from unmask.datasets.sources import WholeTracks
from unmask.models import create
from unmask.models.checkpoint import Checkpoint, packaged, read_checkpoint
from unmask.models.weights import load_network
from unmask.openvino_core import openvino_core
from unmask.pipeline.detector import Detector
from unmask.pipeline.runtime import OpenVinoRuntime, TorchRuntime, open_runtime
from unmask.types import Batch, InputSpec, Track

N_FRAMES = 6
# Largest difference in logit from torch in float32; docs/scanning.md states the same numbers.
F32_BOUND = 1e-4
BF16_BOUND, BF16_SHARE = 0.02, 0.01  # and a share of the logit itself
TORCH_BF16_BOUND = 0.04  # torch rounds between layers that OpenVINO joins
SPECS = {
    "dlib box": InputSpec(size_px=64, alignment="dlib"),
    "turned by the eyes": InputSpec(size_px=80, alignment="eyes", margin=0.2),
    "one box a clip": InputSpec(size_px=48, n_frames=4, alignment="dlib", region="clip"),
    "clips of 4": InputSpec(size_px=48, n_frames=4, stride=2, alignment="box", margin=0.3),
}


@dataclass
class InMemory(WholeTracks):
    """Tracks as the source of samples, one a row."""

    tracks: list[Track]
    labels: np.ndarray

    def __len__(self):
        return len(self.tracks)

    def track(self, row):
        return self.tracks[row]


def detector_for(spec, tiny_checkpoint):
    checkpoint = read_checkpoint(tiny_checkpoint)
    meta = checkpoint.meta.model_copy(update={"input_spec": spec})
    runtime = OpenVinoRuntime(checkpoint.graph)
    return Detector(Checkpoint(folder=tiny_checkpoint, meta=meta), runtime, "")


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_training_and_scanning_see_the_same_pixels(spec, face_clip, tiny_checkpoint, monkeypatch):
    seen = []
    from unmask.pipeline import detector as module

    def remembering(*args, **kwargs):
        seen.append(ingest(*args, **kwargs))
        return seen[-1]

    ingest = module.ingest
    monkeypatch.setattr(module, "ingest", remembering)
    scanned = whole(detector_for(spec, tiny_checkpoint).batches(face_clip, n_frames=N_FRAMES))
    (track,) = seen[0].tracks
    if spec.n_frames == 1:  # every face is a clip
        rows = [Track(id=i, faces=(face,)) for i, face in enumerate(track.faces)]
        assert len(rows) == N_FRAMES
    else:  # of several clips, samples take the one in the middle
        rows = [track]
        middle = scanned.size // 2
        scanned = Batch(frames=scanned.frames[middle : middle + 1])
    samples = PlainSamples(source=InMemory(rows, np.zeros(len(rows))), input_spec=spec)
    trained_on = next(ordered(samples, len(rows)))
    assert trained_on.frames.shape == (len(rows), spec.n_frames, 3, spec.size_px, spec.size_px)
    assert trained_on.frames.dtype == scanned.frames.dtype == np.float32
    np.testing.assert_array_equal(trained_on.frames, scanned.frames)
    assert scanned.frames.std() > 0.1


@pytest.fixture(scope="module", params=["tiny", "default"])
def network(request, tiny_checkpoint):
    folder = tiny_checkpoint if request.param == "tiny" else packaged("default")
    if folder is None:
        pytest.skip("the package holds no default detector yet")
    return read_checkpoint(folder)


def whole(batches: Iterable[Batch]) -> Batch:
    """All clips of a person, however many are computed at once."""
    return Batch(frames=np.concatenate([batch.frames for batch in batches]))


@pytest.fixture(scope="module")
def inputs(network, face_clip):
    """Faces as a scan cuts them, darker and brighter ones too, and plain noise."""
    runtime = OpenVinoRuntime(network.graph)
    faces = whole(Detector(network, runtime, "").batches(face_clip, n_frames=N_FRAMES))
    noise = np.random.default_rng(0).standard_normal(faces.frames.shape).astype(np.float32)
    frames = [faces.frames, 0.5 * faces.frames - 0.5, 1.2 * faces.frames + 0.3, noise]
    return Batch(frames=np.concatenate(frames))


@pytest.fixture(scope="module")
def in_torch(network, inputs):
    return TorchRuntime(load_network(network), "cpu")(inputs)


def test_the_graph_in_float32_gives_the_networks_answer(network, inputs, in_torch):
    out = OpenVinoRuntime(network.graph, "f32")(inputs)
    assert np.ptp(in_torch.logit) > 10 * F32_BOUND, "the inputs must differ"
    np.testing.assert_allclose(out.logit, in_torch.logit, rtol=0, atol=F32_BOUND)
    np.testing.assert_allclose(out.aux["cam"], in_torch.aux["cam"], rtol=0, atol=10 * F32_BOUND)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_checkpoint_that_looks_twice_answers_with_the_mean_of_face_and_mirror_image(
    network, inputs, backend
):
    once, twice = (
        replace(network, meta=network.meta.model_copy(update={"mirrored": mirrored}))
        for mirrored in (False, True)
    )
    looks, _ = open_runtime(once, backend)
    both, _ = open_runtime(twice, backend)
    assert both.name == f"{looks.name}, mirrored", "whoever keeps scores must tell them apart"
    found = both(inputs)
    mirror = Batch(frames=np.ascontiguousarray(np.flip(inputs.frames, axis=-1)))
    plain, turned = looks(inputs), looks(mirror)
    assert np.ptp(plain.logit - turned.logit) > 1e-3, "the two looks must differ"
    np.testing.assert_allclose(found.logit, (plain.logit + turned.logit) / 2, atol=1e-6)
    cam = (plain.aux["cam"] + np.flip(turned.aux["cam"], axis=-1)) / 2
    np.testing.assert_allclose(found.aux["cam"], cam, atol=1e-5)
    again = both(mirror)
    np.testing.assert_allclose(again.logit, found.logit, atol=1e-6)


def test_the_graph_in_bf16_stays_within_the_stated_bound(network, inputs, in_torch):
    if "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bf16 instructions")
    out = OpenVinoRuntime(network.graph, "bf16")(inputs)
    np.testing.assert_allclose(out.logit, in_torch.logit, rtol=BF16_SHARE, atol=BF16_BOUND)
    assert (out.logit != in_torch.logit).any(), "bf16 was asked for"


def test_torch_in_bf16_stays_within_the_stated_bound(network, inputs, in_torch):
    out = TorchRuntime(load_network(network), "cpu", "bf16")(inputs)
    assert out.logit.dtype == np.float32
    np.testing.assert_allclose(out.logit, in_torch.logit, rtol=BF16_SHARE, atol=TORCH_BF16_BOUND)
    assert (out.logit != in_torch.logit).any(), "bf16 was asked for"


@pytest.mark.parametrize("name", ["resnet3d/tiny", "timesformer/tiny", "dtn/tiny"])
def test_torch_in_bf16_runs_networks_of_pictures_and_of_clips(name):
    network = create(name)
    rng = np.random.default_rng(0)
    shapes = network.input_spec.clip_shapes.items()
    clip = Batch(**{kind: rng.standard_normal((2, *shape), np.float32) for kind, shape in shapes})
    wanted = TorchRuntime(network, "cpu")(clip).logit
    found = TorchRuntime(network, "cpu", "bf16")(clip).logit
    np.testing.assert_allclose(found, wanted, rtol=0.1, atol=0.1)


def test_the_activation_map_adds_up_to_the_logit(network, inputs):
    out = OpenVinoRuntime(network.graph, "f32")(inputs)
    assert out.aux["cam"].shape[0] == inputs.size
    means = out.aux["cam"].mean(axis=(1, 2))
    np.testing.assert_allclose(means, out.logit, rtol=1e-4, atol=10 * F32_BOUND)


def test_a_clips_score_does_not_depend_on_what_else_is_in_the_batch(network, inputs):
    runtime = OpenVinoRuntime(network.graph, "f32")
    together = runtime(inputs).logit
    alone = [runtime(Batch(frames=inputs.frames[i : i + 1])).logit[0] for i in (0, 7, 23)]
    np.testing.assert_allclose(alone, together[[0, 7, 23]], rtol=0, atol=F32_BOUND)
