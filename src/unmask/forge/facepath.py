"""Where one face is at any moment of a clip, from sightings now and then.

Detecting in every frame is slow, and the detector's points tremble by a pixel or two from frame to
frame; a forged face would tremble with them. So faces are detected at intervals, and the points are
smoothed and interpolated in between.

A head that turns to profile leaves what five points can describe: there the presence fades, and
with it the forgery, before cheeks are painted on the background.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.landmarks import Points

SMOOTH_S = 0.10  # width (standard deviation) of the smoothing in time: trembling goes, nods stay
MAX_GAP_S = 0.5  # a longer absence is not bridged
TURNED = (0.34, 0.50)  # turn (see `turn_of`) at which the presence begins to fade, and is gone
FADE_S = 0.2  # a face that comes or goes in the middle of a clip does so over this time


@dataclass(frozen=True, kw_only=True, eq=False)
class Whereabouts:
    """A face at one moment."""

    landmarks_px: Points  # (N, 2), N = 5 as detected, or 68 or 81
    presence: float  # 0 coming, going or turned away .. 1 fully there


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """Sightings without a gap."""

    times_s: NDArray[np.float64]  # (K,)
    landmarks_px: NDArray[np.float64]  # (K, N, 2)
    fades_in: bool
    fades_out: bool

    def at(self, t_s: float) -> Whereabouts:
        place = np.empty(self.landmarks_px.shape[1:], np.float32)
        for point, axis in np.ndindex(*place.shape):
            place[point, axis] = np.interp(t_s, self.times_s, self.landmarks_px[:, point, axis])
        presence = 1.0
        if self.fades_in:
            presence = min(presence, (t_s - self.times_s[0]) / FADE_S)
        if self.fades_out:
            presence = min(presence, (self.times_s[-1] - t_s) / FADE_S)
        presence *= _facing(place)
        return Whereabouts(landmarks_px=place, presence=float(max(presence, 0.0)))


class FacePath:
    """One person's landmarks over time, smooth within each stretch without a gap."""

    def __init__(
        self,
        times_s: NDArray[np.float64],
        landmarks_px: NDArray[np.floating],
        *,
        looked_s: tuple[float, float],
    ):
        """Take sightings in order of time.

        Args:
            times_s: (K,) rising, K >= 1.
            landmarks_px: (K, N, 2).
            looked_s: first and last moment at which a face was looked for. A face seen at the very
                first or last of them is taken to be there before and after, too.
        """
        assert len(times_s) == len(landmarks_px) > 0
        breaks = np.flatnonzero(np.diff(times_s) > MAX_GAP_S) + 1
        self._looked_s = looked_s
        self._runs = [
            _Run(
                times_s=times,
                landmarks_px=_smoothed(times, np.asarray(points, np.float64)),
                fades_in=bool(times[0] > looked_s[0]),
                fades_out=bool(times[-1] < looked_s[1]),
            )
            for times, points in zip(
                np.split(times_s, breaks), np.split(landmarks_px, breaks), strict=True
            )
        ]

    @property
    def typical_px(self) -> Points | None:
        """Median landmarks over the sightings that are turned to the camera; None without any."""
        seen = np.concatenate([run.landmarks_px for run in self._runs])
        turned = [points for points in seen if _facing(points) > 0]
        return np.median(turned, axis=0).astype(np.float32) if turned else None

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """First and last sighting of every stretch."""
        return [(float(run.times_s[0]), float(run.times_s[-1])) for run in self._runs]

    def at(self, t_s: float) -> Whereabouts | None:
        """The face at one moment; None where it was not seen."""
        for run in self._runs:
            begins = -np.inf if not run.fades_in else run.times_s[0]
            ends = np.inf if not run.fades_out else run.times_s[-1]
            if begins <= t_s <= ends:
                return run.at(t_s)
        return None


def turn_of(landmarks_px: Points) -> float:
    """How far a head is turned: how far the nose is off the middle of the eyes, eye distances.

    About 0.24 at 30 degrees, 0.42 at 45, 0.73 at 60; positive = to the right of the picture.
    """
    left, right, nose = lm.five_points(landmarks_px)[:3]
    along = right - left
    return float((nose - (left + right) / 2) @ along / max(float(along @ along), 1e-6))


def _facing(landmarks_px: Points) -> float:
    """1 for a face turned to the camera, 0 for a profile."""
    begins, gone = TURNED
    return float(np.clip((gone - abs(turn_of(landmarks_px))) / (gone - begins), 0.0, 1.0))


def _smoothed(times_s: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian smoothing over time of (K, N, 2), for any spacing.

    A straight line is fitted around each moment (local linear regression), so that steady motion
    stays as it is, at the ends too.
    """
    smooth = np.empty_like(points)
    for i, t_s in enumerate(times_s):
        near = slice(*np.searchsorted(times_s, (t_s - 4 * SMOOTH_S, t_s + 4 * SMOOTH_S)))
        lag = times_s[near] - t_s
        weight = np.exp(-0.5 * (lag / SMOOTH_S) ** 2)
        moment = [float((weight * lag**n).sum()) for n in range(3)]
        kernel = weight * (moment[2] - lag * moment[1])
        total = moment[0] * moment[2] - moment[1] ** 2
        smooth[i] = points[i] if total < 1e-12 else np.tensordot(kernel / total, points[near], 1)
    return smooth
