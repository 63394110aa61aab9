"""One way of scanning a clip, timed by stage in a process of its own; `scan.py` starts it.

    python benchmarks/scan_contenders.py NAME CLIP WARM FOLDER STARTED REPEATS

Prints one line of JSON: the median of REPEATS runs, after one of the clip WARM, which is not
counted. Every way looks at the same 32 frames, those of a scan, with an Xception of 299 px.
FOLDER holds the exported Xceptions; STARTED is the time of the command.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scan_memory import FPS
from unmask.types import Frame

N_FRAMES, SIZE_PX, MARGIN = 32, 299, 0.3
SEEK_GAIN_S = 0.5  # of decoding that a seek must spare
SMALL_BATCHES = (1, 2, 4, 8, 16)  # of which the peers' network takes the quickest
TRIALS = 4  # of a batch size; the best counts, since the first ones warm up
HALVED_FROM_PX = 600  # shorter side from which the peers' detectors get frames of half the size
Scan = Callable[[Path], dict[str, float]]


class Stopwatch:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.spent[stage] = self.spent.get(stage, 0.0) + time.perf_counter() - started


@cache
def wanted_frames(path: Path) -> tuple[int, ...]:
    """Numbers of the frames that a scan looks at; every way of scanning looks at the same."""
    from unmask.video.probe import probe
    from unmask.video.sample import evenly

    info = probe(path)
    return tuple(int(t_s * info.fps) for t_s in evenly(info, N_FRAMES))


# ---- floors -----------------------------------------------------------------------------------


def decoding() -> Scan:
    """The wanted frames as RGB in FFmpeg's quickest way, less all that others do not build on."""
    import av

    def scan(path: Path) -> dict[str, float]:
        watch = Stopwatch()
        with watch("decode"), av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            stream.codec_context.skip_frame = "NONREF"
            rate = stream.average_rate
            stamps = [int(number / rate / stream.time_base) for number in wanted_frames(path)]
            now, frames = -1, container.decode(stream)
            for stamp in stamps:
                entries = stream.index_entries
                key = entries[entries.search_timestamp(stamp)].timestamp
                if key > now + SEEK_GAIN_S / stream.time_base:
                    container.seek(stamp, stream=stream)
                    frames = container.decode(stream)
                frame = next((f for f in frames if f.pts >= stamp), None)
                if frame is not None:
                    now = frame.pts
                    frame.to_ndarray(format="rgb24")
        return watch.spent

    return scan


def network(precision: str) -> Callable[[Path], Scan]:
    """The exported network alone, on 32 crops, four at a time."""

    def opened(folder: Path) -> Scan:
        from unmask.models.checkpoint import read_checkpoint
        from unmask.pipeline.runtime import open_runtime
        from unmask.types import Batch

        runtime, _ = open_runtime(read_checkpoint(folder / precision))
        shape = (4, 1, 3, SIZE_PX, SIZE_PX)
        crops = np.random.default_rng(0).standard_normal(shape).astype(np.float32)

        def scan(_: Path) -> dict[str, float]:
            watch = Stopwatch()
            with watch("model"):
                for _ in range(N_FRAMES // 4):
                    runtime(Batch(frames=crops))
            return watch.spent

        return scan

    return opened


# ---- what people use instead ------------------------------------------------------------------


def peer(
    find: Callable[[], Callable[[np.ndarray], Any]],
    *,
    seek: bool = False,
    batches: tuple[int, ...] = (N_FRAMES,),
) -> Scan:
    """OpenCV's decoding, a face detector, timm's Xception in torch, float32, eager.

    The network gets all faces at once, as scripts do it, or the quickest of `batches`.
    """
    import timm
    import torch

    detect = find()
    torch.manual_seed(0)
    model = timm.create_model("legacy_xception", num_classes=2).eval()
    at_once: list[int] = []

    def scan(path: Path) -> dict[str, float]:
        if not at_once:  # in the first run, which is not counted
            at_once.append(quickest(model, batches))
        watch = Stopwatch()
        crops = []
        with watch("decode"):
            frames = list(opencv_frames(path, seek=seek))
        for rgb in frames:
            with watch("detect"):
                small, scale = halved(rgb)
                box = detect(small)
            with watch("crop"):
                if box is not None:
                    crops.append(crop(rgb, np.asarray(box, np.float64) / scale))
        with watch("model"), torch.inference_mode():
            batch = torch.from_numpy(np.stack(crops))
            for part in batch.split(at_once[0]):
                model(part).softmax(dim=1)
        return watch.spent

    return scan


def quickest(model: Any, sizes: tuple[int, ...]) -> int:
    """The batch size at which the network takes least time for an image, found by trying."""
    import torch

    if len(sizes) == 1:
        return sizes[0]

    def seconds(size: int) -> float:
        crops = torch.zeros(size, 3, SIZE_PX, SIZE_PX)
        started = time.perf_counter()
        with torch.inference_mode():
            model(crops)
        return (time.perf_counter() - started) / size

    return min(sizes, key=lambda size: min(seconds(size) for _ in range(TRIALS)))


def opencv_frames(path: Path, *, seek: bool) -> Iterator[np.ndarray]:
    """The wanted frames; the others are grabbed, which decodes without converting, or sought."""
    import cv2

    numbers = wanted_frames(path)
    video = cv2.VideoCapture(str(path))
    at = 0
    for number in numbers:
        if seek:
            video.set(cv2.CAP_PROP_POS_FRAMES, number)
        else:
            for _ in range(number - at):
                video.grab()
        video.grab()
        at = number + 1
        _, bgr = video.retrieve()
        yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    video.release()


def detecting(find: Callable[[], Callable[[list[Frame]], Any]]) -> Scan:
    """A face detector on frames that are there already, and nothing beside it."""
    detect = find()

    @cache
    def frames_of(path: Path) -> list[Frame]:  # in the first run, which is not counted
        times = (number / FPS for number in wanted_frames(path))
        pairs = zip(times, opencv_frames(path, seek=False), strict=True)
        return [Frame(t_s=t_s, rgb=rgb) for t_s, rgb in pairs]

    def scan(path: Path) -> dict[str, float]:
        frames = frames_of(path)
        watch = Stopwatch()
        with watch("detect"):
            detect(frames)
        return watch.spent

    return scan


def halved(rgb: np.ndarray) -> tuple[np.ndarray, float]:
    """A frame for the peers' detectors, with its scale."""
    import cv2

    scale = 0.5 if min(rgb.shape[:2]) > HALVED_FROM_PX else 1.0
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


def crop(rgb: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A square around the face at the network's size, normalised: (3, H, W)."""
    import cv2

    half = (0.5 + MARGIN) * max(box[2] - box[0], box[3] - box[1])
    cx, cy = (box[:2] + box[2:]) / 2
    x0, y0 = max(0, int(cx - half)), max(0, int(cy - half))
    cut = rgb[y0 : int(cy + half), x0 : int(cx + half)]
    view = cv2.resize(cut, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    return (view.transpose(2, 0, 1) / np.float32(127.5) - 1).astype(np.float32)


def facenet() -> Callable[[np.ndarray], Any]:
    """facenet-pytorch's MTCNN, frame by frame: its batches take twice as long on a CPU."""
    from facenet_pytorch import MTCNN

    mtcnn = MTCNN(keep_all=True, device="cpu")

    def find(rgb: np.ndarray) -> Any:
        boxes, _ = mtcnn.detect(rgb)
        return None if boxes is None else boxes[0]

    return find


def facenet_all() -> Callable[[list[Frame]], Any]:
    """The same for many frames, one by one."""
    find = facenet()
    return lambda frames: [find(halved(frame.rgb)[0]) for frame in frames]


def dlib_hog() -> Callable[[np.ndarray], Any]:
    """dlib's HOG detector as it is, which finds faces from 80 px on."""
    import dlib

    detector = dlib.get_frontal_face_detector()

    def box_of(b: Any) -> tuple[int, int, int, int]:
        return b.left(), b.top(), b.right(), b.bottom()

    def find(rgb: np.ndarray) -> Any:
        found = detector(rgb, 0)
        return box_of(found[0]) if found else None

    return find


# ---- ours -------------------------------------------------------------------------------------


def ours(model: str, backend: str = "openvino") -> Callable[[Path], Scan]:
    """`unmask.load(...).scan(...)` and the report as JSON."""

    def opened(folder: Path) -> Scan:
        import unmask
        from unmask.pipeline import detector as module
        from unmask.report.schema import to_json

        place = folder / model
        detector = unmask.load(
            place if place.is_dir() else model, backend=backend, allow_untrained=True
        )
        watch = Stopwatch()
        batch_of = module.batch_of

        def timed(*args: Any) -> Any:
            with watch("crop"):
                return batch_of(*args)

        module.batch_of = timed

        def scan(path: Path) -> dict[str, float]:
            watch.spent.clear()
            report = detector.scan(path, n_frames=N_FRAMES)
            with watch("report"):
                to_json(report)
            told = report.timing_s
            return {
                **watch.spent,
                "decode": told["decode"],
                "detect": told["detect"],
                "model": told["model"] - watch.spent["crop"],
            }

        return scan

    return opened


def own_faces() -> Callable[[list[Frame]], Any]:
    """Ours as a scan uses it: every fourth frame searched all over, if that is enough."""
    from unmask.faces.detect import FaceDetector
    from unmask.faces.follow import follow

    detector = FaceDetector()
    return lambda frames: list(follow(frames, detector))


CONTENDERS: dict[str, Callable[[Path], Scan]] = {
    "floor: decoding": lambda _: decoding(),
    "floor: network f32": network("f32"),
    "floor: network bf16": network("bf16"),
    "floor: network int8": network("int8"),
    "OpenCV, facenet-pytorch, timm": lambda _: peer(facenet),
    "the same, small batches": lambda _: peer(facenet, batches=SMALL_BATCHES),
    "the same, small batches, seeking": lambda _: peer(facenet, seek=True, batches=SMALL_BATCHES),
    "OpenCV, dlib HOG, timm": lambda _: peer(dlib_hog),
    "unmask, torch f32": ours("torch", "torch"),
    "unmask, f32": ours("f32"),
    "unmask, bf16": ours("bf16"),
    "unmask, int8": ours("int8"),
    "unmask, its default detector": ours("default"),
    "faces alone: facenet-pytorch": lambda _: detecting(facenet_all),
    "faces alone: unmask": lambda _: detecting(own_faces),
}


def main() -> None:
    name, clip, warm, folder, started, repeats = sys.argv[1:]
    scan = CONTENDERS[name](Path(folder))
    ready_s = time.time() - float(started)
    wanted_frames(Path(clip))  # known before time is taken
    first = timed(scan, Path(warm))
    runs = [timed(scan, Path(clip)) for _ in range(int(repeats))]
    row = {
        "name": name,
        "ready_s": ready_s,
        "first_s": first["total"],
        "peak_mb": peak_mb(),
        **middle(runs),
    }
    print(json.dumps(row))


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run that is in the middle by its time, or the quicker of the two that are."""
    return sorted(runs, key=lambda run: run["total"])[(len(runs) - 1) // 2]


def peak_mb() -> float:
    """Most memory of this process; on Linux `getrusage` would count what started it, too."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(k for k in status.read_text().splitlines() if k.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def timed(scan: Scan, clip: Path) -> dict[str, Any]:
    """One run: seconds by stage, in all, and of all cores together."""
    started, worked = time.perf_counter(), time.process_time()
    stages = scan(clip)
    return {
        "stages": stages,
        "total": time.perf_counter() - started,
        "cpu_s": time.process_time() - worked,
    }


if __name__ == "__main__":
    main()
