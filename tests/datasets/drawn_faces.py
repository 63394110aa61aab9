"""Small drawn faces as files, made at test time."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def drawn_face(seed, side=96):
    """A face of ellipses on a coloured ground, filling its crop as a dlib box does."""
    rng = np.random.default_rng(seed)
    ground, skin, hair = (tuple(int(v) for v in rng.integers(40, 220, 3)) for _ in range(3))
    picture = np.full((side, side, 3), ground, np.uint8)

    def ellipse(x, y, w, h, colour):
        middle, axes = (round(x * side), round(y * side)), (round(w * side), round(h * side))
        cv2.ellipse(picture, middle, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    ellipse(0.5, 0.45, 0.5, 0.65, hair)
    ellipse(0.5, 0.5, 0.42, 0.6, skin)
    for x in (0.298, 0.702):
        ellipse(x, 0.291, 0.08, 0.04, (240, 240, 240))
        ellipse(x, 0.291, 0.03, 0.03, (20, 20, 20))
    ellipse(0.5, 0.47, 0.05, 0.08, tuple(v // 2 for v in skin))
    ellipse(0.5, 0.74, 0.17, 0.04, (150, 40, 40))
    grain = rng.normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def encoded(picture, suffix=".jpg"):
    return cv2.imencode(suffix, picture[..., ::-1])[1].tobytes()


def rows_of(n_reals, fakes_each=1, first=0):
    """(label, video, original) of recordings with their fakes, mixed."""
    rows = []
    for k in range(first, first + n_reals):
        rows.append((0, f"v{k:03}", f"v{k:03}"))
        rows += [(1, f"v{k:03}f{j}", f"v{k:03}") for j in range(fakes_each)]
    return [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]


def write_parquet(path, rows, *, with_size=True):
    columns = {
        "image": [encoded(drawn_face(seed)) for seed in range(len(rows))],
        "label": pa.array([row[0] for row in rows], pa.int8()),
        "video": [row[1] for row in rows],
        "original": [row[2] for row in rows],
    }
    if with_size:
        columns["orig_crop_px"] = pa.array([100 + i for i in range(len(rows))], pa.int32())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path
