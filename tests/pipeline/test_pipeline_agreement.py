"""Verdicts on real clips are the same whatever runs the network and however faces are found.

The largest differences in logit that are allowed here stand in docs/scanning.md.
"""

import numpy as np
import onnxruntime
import pytest

from unmask.models.checkpoint import packaged, read_checkpoint
from unmask.models.weights import load_network
from unmask.openvino_core import openvino_core
from unmask.pipeline import detector as detector_module
from unmask.pipeline import ingest as ingest_module
from unmask.pipeline.detector import Detector
from unmask.pipeline.runtime import OpenVinoRuntime, TorchRuntime, looking
from unmask.types import Output

pytestmark = pytest.mark.slow
F32_BOUND, BF16_BOUND = 1e-4, 0.15  # of the logit
FOLLOWED_BOUND = 0.04  # of a file's p_fake: boxes move by a pixel where faces are followed


class Onnx:
    """The exported graph in another maker's engine."""

    name = "onnxruntime f32"

    def __init__(self, graph):
        self.session = onnxruntime.InferenceSession(str(graph))

    def __call__(self, batch):
        (logit,) = self.session.run(["logit"], {"frames": np.ascontiguousarray(batch.frames)})
        return Output(logit=logit)


RUNTIMES = {
    "torch bf16": lambda own: TorchRuntime(load_network(own), "cpu", "bf16"),
    "openvino f32": lambda own: OpenVinoRuntime(own.graph, "f32"),
    "openvino bf16": lambda own: OpenVinoRuntime(own.graph, "bf16"),
    "onnxruntime f32": lambda own: Onnx(own.graph),
}


@pytest.fixture(scope="module")
def checkpoint():
    folder = packaged("default")
    if folder is None:
        pytest.skip("the package holds no default detector")
    return read_checkpoint(folder)


@pytest.fixture(scope="module")
def ask(checkpoint, shared_data):
    """Scans the samples with a runtime; looks at every file once, whoever is asked about it."""
    files = sorted((shared_data / "samples").glob("*.mp4"))
    ingest, seen = detector_module.ingest, {}

    def remembering(path, *args, **kwargs):
        if path not in seen:
            seen[path] = ingest(path, *args, **kwargs)
        return seen[path]

    def scans(runtime):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(detector_module, "ingest", remembering)
            return answers(checkpoint, runtime, files)

    return scans


@pytest.fixture(scope="module")
def in_torch(checkpoint, ask):
    return ask(TorchRuntime(load_network(checkpoint), "cpu"))


def answers(checkpoint, runtime, files):
    detector = Detector(checkpoint, runtime, "")
    return [detector.scan(file) for file in files]


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_gives_the_verdicts_of_torch_in_float32(name, checkpoint, ask, in_torch):
    capable = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if name == "openvino bf16" and not capable:
        pytest.skip("this processor has no bf16 instructions")
    reports = ask(RUNTIMES[name](checkpoint))
    # Frames that just contradict one another may just not do so in bf16; the verdict stays.
    open_to_doubt = {"disagreement"} if "bf16" in name else set()
    for report, other in zip(reports, in_torch, strict=True):
        assert verdict(report, open_to_doubt) == verdict(other, open_to_doubt)
    found, wanted = (np.concatenate(list(map(logits, r))) for r in (reports, in_torch))
    assert len(wanted) > 200
    bound = BF16_BOUND if "bf16" in name else F32_BOUND
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound)
    assert (found != wanted).any(), "it is torch in float32 again"


def test_following_faces_gives_the_verdicts_of_searching_every_frame(
    checkpoint, shared_data, monkeypatch
):
    runtime = looking(OpenVinoRuntime(checkpoint.graph, "f32"), checkpoint.meta)
    files = sorted(shared_data.glob("*/*.mp4"))
    followed = answers(checkpoint, runtime, files)

    def searched(frames, faces):
        return ((frame, faces.detect([frame.rgb])[0]) for frame in frames)

    monkeypatch.setattr(ingest_module, "_searched", searched)
    wanted = answers(checkpoint, runtime, files)
    assert {report.verdict for report in wanted} > {"undecided"}
    for report, other in zip(followed, wanted, strict=True):
        between = crossed(checkpoint.meta.thresholds, report.p_fake, other.p_fake)
        assert between or report.verdict == other.verdict
        assert len(report.tracks) == len(other.tracks)
        assert report.n_frames_with_face == other.n_frames_with_face
        assert report.p_fake == pytest.approx(other.p_fake, abs=FOLLOWED_BOUND)


def crossed(thresholds, *p_fakes):
    """Whether a threshold lies between two scores, which may then get two answers."""
    low, high = sorted(p_fakes)
    return any(low < threshold <= high for threshold in (thresholds.fake, thresholds.real))


def verdict(report, open_to_doubt):
    reasons = tuple(reason for reason in report.reasons if reason not in open_to_doubt)
    return report.input.path.name, report.verdict, reasons, len(report.tracks)


def logits(report):
    return np.array([score.logit for track in report.tracks for score in track.scores])
