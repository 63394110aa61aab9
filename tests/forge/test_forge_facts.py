"""Nothing but the forgery tells a fake: not size, encoder, rates, times, border or metadata."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from talking_people import pictures, talking

from unmask.faces.detect import FaceDetector
from unmask.forge.dataset import Request, forge_dataset
from unmask.forge.level import stream_bytes


def facts(path: Path) -> list[float]:
    """What can be read off a file without looking at its face."""
    with av.open(str(path)) as container:
        sizes = stream_bytes(path)
        said = [
            *(container.duration or 0, container.bit_rate or 0, len(container.streams)),
            _number(sorted(container.metadata.items())),
        ]
        for stream in container.streams:
            context = stream.codec_context
            packets = [p for p in container.demux(stream) if p.size]
            container.seek(0)
            said += [
                *(stream.duration or 0, stream.start_time or 0, stream.bit_rate or 0),
                *(sizes[stream.type], len(packets), sum(p.is_keyframe for p in packets)),
                _number(context.name, context.profile, stream.time_base, context.extradata),
                _number(sorted(stream.metadata.items()), _settings(bytes(packets[0]))),
            ]
    frames = pictures(path)
    rim = np.concatenate([frames[:, [0, -1]].ravel(), frames[:, :, [0, -1]].ravel()])
    said += [*frames.shape, float(np.rint(rim.mean())), float((rim < 8).mean().round(2))]
    return [float(path.stat().st_size), *map(float, said)]


def _number(*what: object) -> float:
    return float(int.from_bytes(repr(what).encode(), "big") % 1_000_003)


def _settings(packet: bytes) -> bytes:
    """What x264 says about its settings in the first packet."""
    begins = packet.find(b"x264 - core")
    return packet[begins : packet.find(b"\0", begins)] if begins >= 0 else b""


@dataclass(frozen=True)
class Known:
    """Files of several sources, and what is known of each without a look at its face."""

    clips: np.ndarray
    labels: np.ndarray
    facts: np.ndarray


@pytest.fixture(scope="session")
def known(tmp_path_factory) -> Known:
    """Fakes of eight small clips of different people, scenes, lengths and sounds."""
    folder, out = tmp_path_factory.mktemp("many"), tmp_path_factory.mktemp("forged many")
    clips = [talking(folder / f"{k}.mp4", ("ann", "bea")[k % 2], 6 + k % 3, k) for k in range(8)]
    request = Request(methods=("resynthesise", "vocoder"), out=out, seed=1)
    assert all(done.outcome == "made" for done in forge_dataset(clips, request, FaceDetector()))
    files = sorted(p for p in out.rglob("*.mp4") if not p.stem.endswith(".mask"))
    return Known(
        clips=np.array([p.stem for p in files]),
        labels=np.array([p.parent.name != "real" for p in files]),
        facts=np.array([facts(path) for path in files]),
    )


def auc_of_facts(known: Known, table: np.ndarray) -> tuple[float, float]:
    """Interval of the AUC of a classifier on facts alone, tested on clips it has not seen.

    It knows, too, how each fact compares with those of the other files of the same clip.
    """
    ensemble = pytest.importorskip("sklearn.ensemble")
    metrics = pytest.importorskip("sklearn.metrics")
    selection = pytest.importorskip("sklearn.model_selection")
    clips, labels = known.clips, known.labels
    own = np.array([np.median(table[clips == clip], axis=0) for clip in clips])
    score = selection.cross_val_predict(
        ensemble.RandomForestClassifier(50, class_weight="balanced", random_state=0),
        np.concatenate([table, table - own], axis=1),
        labels,
        groups=clips,
        cv=selection.GroupKFold(4),
        method="predict_proba",
    )[:, 1]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(200):  # bootstrap by clip
        names = rng.choice(np.unique(clips), len(np.unique(clips)))
        rows = np.concatenate([np.flatnonzero(clips == name) for name in names])
        drawn.append(metrics.roc_auc_score(labels[rows], score[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def test_facts_of_a_file_do_not_tell_a_fake(known):
    low, high = auc_of_facts(known, known.facts)
    assert low <= 0.5 <= high


def test_the_classifier_would_find_fakes_that_are_a_little_larger(known):
    larger = known.facts.copy()
    larger[known.labels, 0] *= 1.002
    low, _ = auc_of_facts(known, larger)
    assert low > 0.9


def test_all_facts_are_equal_within_a_source(known):
    for clip in np.unique(known.clips):
        own = known.facts[known.clips == clip]
        np.testing.assert_array_equal(own, np.broadcast_to(own[0], own.shape))
