"""The forged twin of a real clip: same frames, timing and sound, but one face is forged.

One set of choices holds for the whole clip: mask and colours stay, only the geometry follows the
head, so the forgery is as steady as the original. The file is read twice, never held in memory.

Compression must not give the label away. A twin is encoded anew, so the real clip to compare it
with must be, too, with the same settings: ask for `real_out`. Beside a twin lie its mask (a grey
video, white = forged) and `<name>.json` with the label and all that is needed to make it again.

The forged frames follow from the seed exactly. The encoded file may differ by a few levels in some
blocks: x264 is not exactly repeatable on CPUs with AVX-512.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from unmask.errors import OutputError, UnmaskError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.forge.facepath import FacePath, Whereabouts
from unmask.forge.selfblend import BlendPlan, Mask, SelfBlendConfig, apply_plan, draw_plan
from unmask.forge.sightings import Detector, follow_main_face
from unmask.forge.swap import Donor, Swapper, collect_donor
from unmask.types import Image
from unmask.video import open_media
from unmask.video.encode import VideoWriter
from unmask.video.sample import every

Method = Literal["self_blend", "swap"]
Forger = Callable[[Image, Whereabouts], tuple[Image, Mask]]

CRF = 20  # x264 quality of twins and re-encoded reals: about what a good upload has (ours)
MASK_CRF = 4  # nearly lossless; masks are smooth, so it costs little
DETECT_EVERY_S = 0.12  # three frames at 25 frames/s; landmarks are interpolated in between
# Unlike a training image, a twin is there to be told from its original: what lies outside the mask
# stays as it was, and the blend is never the faintest.
TWIN_CONFIG = SelfBlendConfig(
    augment_target=0.0,
    ratios=(0.75, 1.0, 1.0),
    regions=(("face", 0.4), ("below_forehead", 0.3), ("inner", 0.3)),
)


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A forged clip and what belongs to it."""

    path: Path
    mask_path: Path
    label_path: Path
    source: Path
    method: Method
    seed: int
    params: dict[str, Any]
    spans_s: list[tuple[float, float]]  # when the forged face is seen
    real_path: Path | None  # the original through the same encoder, if asked for
    lost: str | None  # what of the source could not be decoded, in a sentence


def forge_twin(
    source: Path,
    out: Path,
    *,
    method: Method = "self_blend",
    seed: int = 0,
    donor: Path | None = None,
    real_out: Path | None = None,
    config: SelfBlendConfig = TWIN_CONFIG,
    detector: Detector | None = None,
    crf: int = CRF,
) -> Twin:
    """Forge the main person of a clip.

    Odd sides grow by one repeated row or column, as the encoder needs even ones.

    Args:
        source: a real video.
        out: the fake, an .mp4; `<name>.mask.mp4` and `<name>.json` are written beside it.
        method: `self_blend` blends the face onto itself, `swap` puts a donor's face over it.
        seed: decides every choice; the same seed makes the same twin.
        donor: a clip of the other face, for `swap`; none = the same person at another moment.
        real_out: write the original here, re-encoded with the same settings.
        config: what may be drawn.
        detector: finds faces; none = the package's own.
        crf: quality of the encoding, lower is better.

    Raises:
        UnmaskError: no face is seen in the clip or its donor; it cannot be read or written.
    """
    _check_request(source, out, method=method, donor=donor, real_out=real_out)
    detector = detector or FaceDetector()
    path = _follow(source, detector)
    plan = draw_plan(np.random.default_rng(seed), config)
    if method == "self_blend":
        forger, params = _self_blender(plan), plan.params()
    else:
        face = _donor(donor or source, path if donor is None else _follow(donor, detector))
        # The same person is shown half of the collected time away from now.
        start = len(face.cuts) // 2 if donor is None else 0
        forger, params = Swapper(face, plan, start=start), _swap_params(plan, donor, start)
    mask_path = out.with_suffix(".mask.mp4")
    lost = _write(source, path, forger, fake=out, mask=mask_path, real=real_out, crf=crf)
    twin = Twin(
        path=out,
        mask_path=mask_path,
        label_path=out.with_suffix(".json"),
        source=source,
        method=method,
        seed=seed,
        params=params | {"crf": crf},
        spans_s=path.spans_s,
        real_path=real_out,
        lost=lost,
    )
    _write_labels(twin)
    return twin


def _check_request(
    source: Path, out: Path, *, method: Method, donor: Path | None, real_out: Path | None
) -> None:
    if method not in ("self_blend", "swap"):
        raise UsageError(f"no forging method is called {method!r}; there are: self_blend, swap")
    if donor is not None and method != "swap":
        raise UsageError(
            f"{donor}: only the method swap takes a donor; leave it out or ask for swap"
        )
    for written in (out, real_out):
        if written is not None and written.suffix.lower() != ".mp4":
            raise UsageError(f"{written}: forged clips are .mp4 files; give it a name ending so")
    names = [path.resolve() for path in (source, out, real_out, donor) if path is not None]
    if names.count(out.resolve()) > 1 or (real_out and names.count(real_out.resolve()) > 1):
        raise UsageError(
            f"{out}: would overwrite another clip of this request; name it differently"
        )


def _follow(clip: Path, detector: Detector) -> FacePath:
    """First pass: where the main face goes."""
    with open_media(clip) as reader:
        if reader.info.kind == "image":
            raise UsageError(f"{clip}: is a still picture; a twin is made of a clip that moves")
        rate = reader.info.fps or Fraction(25)
        times_s = every(reader.info, max(1, round(rate * Fraction(DETECT_EVERY_S))))
        path = follow_main_face(reader.frames(times_s), detector)
    if path is None:
        raise UnmaskError(
            f"{clip}: no face was found in {len(times_s)} frames looked at, so there is nothing to "
            "forge. Give a clip in which a face is at least 24 pixels and 4 % of the picture wide."
        )
    return path


def _self_blender(plan: BlendPlan) -> Forger:
    def forge(rgb: Image, face: Whereabouts) -> tuple[Image, Mask]:
        now = replace(plan, ratio=plan.ratio * face.presence)
        blend = apply_plan(rgb, face.landmarks_px, now)
        return blend.fake, blend.mask

    return forge


def _donor(clip: Path, path: FacePath) -> Donor:
    with open_media(clip) as reader:
        donor = collect_donor(reader.all_frames(), path)
    if donor is None:
        raise UnmaskError(f"{clip}: its face could not be cut out of any frame; try another donor")
    return donor


def _swap_params(plan: BlendPlan, donor: Path | None, start: int) -> dict[str, Any]:
    """Of the plan, a swap uses the mask only."""
    used = ("region", "elastic", "soften", "erode")
    chosen = {name: value for name, value in plan.params().items() if name in used}
    return chosen | {"donor": str(donor) if donor else None, "donor_start": start}


def _write(
    source: Path,
    path: FacePath,
    forger: Forger,
    *,
    fake: Path,
    mask: Path,
    real: Path | None,
    crf: int,
) -> str | None:
    """Second pass: all files at once, each frame decoded once; says what was lost."""
    with ExitStack() as stack:
        reader = stack.enter_context(open_media(source))
        rate = reader.info.fps or Fraction(25)

        def writer(out: Path, quality: int, sound: Path | None) -> VideoWriter:
            return stack.enter_context(VideoWriter(out, rate, crf=quality, audio_from=sound))

        fakes, masks = writer(fake, crf, source), writer(mask, MASK_CRF, None)
        reals = writer(real, crf, source) if real else None
        for frame in reader.all_frames():
            face = path.at(frame.t_s)
            forged, where = forger(frame.rgb, face) if face else (frame.rgb, None)
            fakes.write(forged, frame.t_s)
            masks.write(_grey(where, frame.rgb), frame.t_s)
            if reals is not None:
                reals.write(frame.rgb, frame.t_s)
        return reader.lost


def _grey(mask: Mask | None, like: Image) -> Image:
    """A mask as a picture; black where nothing was forged."""
    if mask is None:
        return np.zeros_like(like)
    grey = cv2.convertScaleAbs(mask, alpha=255)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _write_labels(twin: Twin) -> None:
    """One record beside the fake, and one beside the re-encoded real if there is one."""
    common = {"source": str(twin.source), "lost": twin.lost}
    fake = {
        "path": twin.path.name,
        "label": 1,
        "method": twin.method,
        "seed": twin.seed,
        "mask": twin.mask_path.name,
        "spans_s": twin.spans_s,
        "params": twin.params,
    }
    _write_json(twin.label_path, fake | common)
    if twin.real_path is not None:
        real = {
            "path": twin.real_path.name,
            "label": 0,
            "method": "original",
            "params": {"crf": twin.params["crf"]},
        }
        _write_json(twin.real_path.with_suffix(".json"), real | common)


def _write_json(path: Path, record: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps({"schema": "unmask.forged/1"} | record, indent=2) + "\n")
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: the label cannot be written there ({error.strerror})"
        ) from error
