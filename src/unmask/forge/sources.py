"""What a data set is forged from: clips and stills with their facts, and who is swapped with whom.

Donors come in pairs, as in FaceForensics++: a takes b's face and b takes a's (with an odd number,
the last three in a ring). Any other choice would tie all recordings together by common people, and
no split could keep them apart. Those are paired whose heads are turned alike, or mirrored: a face
seen from the side cannot be put onto one seen from the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.errors import UsageError
from unmask.forge.facepath import turn_of
from unmask.forge.sightings import Detector, follow_main_face
from unmask.video import open_media
from unmask.video.probe import probe
from unmask.video.sample import evenly
from unmask.video.soundtrack import recordable_rate

_LOOKS = 7  # frames that say how a head is turned
_ALIKE = 0.1  # turns that are about the same


@dataclass(frozen=True, kw_only=True)
class Source:
    """A real file."""

    path: Path
    name: str  # of everything made from it
    still: bool
    rate_hz: int | None  # of its sound as it leaves; None = no sound

    @property
    def stamp(self) -> tuple[str, int, int]:
        """Changes when the file does."""
        stat = self.path.stat()
        return self.path.name, stat.st_size, stat.st_mtime_ns


def look_at(path: Path) -> Source:
    """Probe a file.

    Raises:
        UnmaskError: it cannot be read.
    """
    info = probe(path)
    sound = info.audio_rate_hz if info.has_audio else None
    return Source(
        path=path,
        name=path.stem,
        still=info.kind == "image",
        rate_hz=recordable_rate(sound) if sound else None,
    )


def refuse_equal_names(paths: Sequence[Path]) -> None:
    """Everything is named after its source, so that two of one name would become one.

    Raises:
        UsageError: naming both.
    """
    named: dict[str, Path] = {}
    for path in paths:
        other = named.setdefault(path.stem, path)
        if other is not path:
            raise UsageError(
                f"{other} and {path}: the fakes of both would be called {path.stem}; forge them "
                "into different folders"
            )


def usual_turn(source: Source, detector: Detector) -> float:
    """How far the main face is turned on average over a few frames, to either side; see `turn_of`.

    0 where no face is found: forging will say so.
    """
    with open_media(source.path) as reader:
        frames = reader.all_frames() if source.still else reader.frames(evenly(reader.info, _LOOKS))
        path = follow_main_face(frames, detector)
    typical_px = path.typical_px if path else None
    return 0.0 if typical_px is None else abs(turn_of(typical_px))


def pair_donors(
    sources: Sequence[Source], turns: Mapping[str, float], seed: int
) -> dict[str, Source]:
    """Whose face and voice each source takes, by name; stills with stills, clips with clips.

    `turns` is `usual_turn` by name. Among heads turned about alike the seed decides.

    Clips with sound are paired with one another. A source that is left alone takes the face of a
    pair, or has no donor if there is none.
    """
    pairs: dict[str, Source] = {}
    for still in (False, True):
        alike = sorted((s for s in sources if s.still == still), key=lambda s: s.name)
        order = np.random.default_rng((seed, int(still))).permutation(len(alike))
        shuffled = [alike[k] for k in order]
        shuffled.sort(key=lambda s: round(turns[s.name] / _ALIKE))
        heard = [source for source in shuffled if source.rate_hz is not None]
        silent = [source for source in shuffled if source.rate_hz is None]
        pairs |= _rings(heard) | _rings(silent)
        alone = [source for source in shuffled if source.name not in pairs]
        if len(alone) == 2:
            pairs |= _rings(alone)
        elif alone and len(shuffled) > 1:
            pairs[alone[0].name] = next(s for s in shuffled if s.name in pairs)
    return pairs


def _rings(sources: Sequence[Source]) -> dict[str, Source]:
    """Pairs, and a ring of the last three of an odd number; nothing of one."""
    found: dict[str, Source] = {}
    rest = list(sources)
    while len(rest) > 1:
        size = 3 if len(rest) == 3 else 2
        ring, rest = rest[:size], rest[size:]
        found |= {ring[k].name: ring[(k + 1) % size] for k in range(size)}
    return found
