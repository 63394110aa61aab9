"""What a system hears of a file beside its pictures: the sound of each clip, and nothing between.

A file without sound is not a silent one. Networks that look and listen are given silence where
there is none, as they were in training, but who asks is told (`unheard`), so that no verdict rests
on it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unmask.clips.mel import Sound, sound_view
from unmask.errors import UnreadableMediaError
from unmask.types import AudioSpec
from unmask.video.audio import read_audio

_PIECE_S = 10.0  # decoded at once: so much takes no longer than opening the file again


class Listener:
    """The sound of one file as a system wants it.

    `unheard` says in a sentence why nothing can be heard; None where something can.
    """

    def __init__(self, path: Path, spec: AudioSpec) -> None:
        self._path, self._spec = path, spec
        self._piece, self._number = np.zeros(0, np.float32), -1  # the last one read
        self.read_s = 0.0  # time spent reading
        self.unheard: str | None = None
        try:
            if not self._read(0):
                self.unheard = f"{path.name}: has no sound"
        except UnreadableMediaError as error:
            self.unheard = str(error)

    def hear(self, starts_s: Sequence[float]) -> Sound:
        """Sound of clips whose first frames are shown at `starts_s`: (B, F, S)."""
        return np.stack([self._view(start_s) for start_s in starts_s])

    def _view(self, start_s: float) -> Sound:
        if self.unheard:
            return sound_view(np.zeros(0, np.float32), self._spec)
        number = int(start_s // _PIECE_S)
        if number != self._number:
            self._read(number)
        first = round((start_s - number * _PIECE_S) * self._spec.rate_hz)
        return sound_view(self._piece[first:], self._spec)

    def _read(self, number: int) -> bool:
        """Read a piece with what a clip that begins at its end still hears; say if there is any."""
        started = time.perf_counter()
        spec = self._spec
        duration_s = _PIECE_S + spec.n_samples / spec.rate_hz
        samples = read_audio(self._path, spec.rate_hz, number * _PIECE_S, duration_s)
        self.read_s += time.perf_counter() - started
        if samples is None:
            return False
        self._piece, self._number = samples, number
        return True
