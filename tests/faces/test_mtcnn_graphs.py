"""The OpenVINO graphs equal a second implementation, in torch, of the paper's Fig. 2."""

import numpy as np
import pytest

from unmask.faces.mtcnn_graphs import BATCHES, compile_graph
from unmask.faces.mtcnn_weights import asset_path, read_asset

torch = pytest.importorskip("torch")
F = torch.nn.functional


class SlowNet:
    """Runs layers one by one, taking the stored arrays as it goes."""

    def __init__(self, name):
        self.arrays = [torch.from_numpy(array) for array in read_asset(asset_path(name), name)]

    def take(self):
        return self.arrays.pop(0)

    def conv(self, x):
        return F.conv2d(x, self.take().permute(3, 2, 0, 1), self.take())

    def dense(self, x):
        return F.linear(x, self.take().T, self.take())

    def prelu(self, x):
        return F.prelu(x, self.take().flatten())

    def trunk(self, x, pools):
        for side in pools:
            x = self.prelu(self.conv(x))
            x = F.max_pool2d(x, side, stride=2, ceil_mode=True) if side else x
        return x

    def columns_first(self, x):
        """Unroll each map column by column, all channels of a place together."""
        n, _, height, width = x.shape
        places = [x[:, :, i, j] for j in range(width) for i in range(height)]
        return torch.stack(places, dim=1).reshape(n, -1)


def slow_pnet(x):
    net = SlowNet("pnet")
    x = net.trunk(x, (2, 0, 0))
    return net.conv(x), net.conv(x).softmax(dim=1)[:, 1]


def slow_rnet(x):
    net = SlowNet("rnet")
    x = net.columns_first(net.trunk(x, (3, 3, 0)))
    x = net.prelu(net.dense(x))
    return net.dense(x), net.dense(x).softmax(dim=1)[:, 1]


def slow_onet(x):
    net = SlowNet("onet")
    x = net.columns_first(net.trunk(x, (3, 3, 2, 0)))
    x = net.prelu(net.dense(x))
    return net.dense(x), net.dense(x), net.dense(x).softmax(dim=1)[:, 1]


CASES = [
    ("pnet", slow_pnet, (1, 12, 12)),
    ("pnet", slow_pnet, (3, 13, 14)),  # odd: where pools that round down would differ
    ("pnet", slow_pnet, (2, 61, 90)),
    ("rnet", slow_rnet, (1, 24, 24)),
    ("rnet", slow_rnet, (7, 24, 24)),
    ("onet", slow_onet, (1, 48, 48)),
    ("onet", slow_onet, (5, 48, 48)),
]


@pytest.mark.parametrize(("name", "slow", "shape"), CASES)
def test_graphs_equal_a_second_implementation(name, slow, shape, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    graph = compile_graph(name, cache=tmp_path)
    run = graph.in_batches if name in BATCHES else graph
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127.5) / 128
    for mine, theirs in zip(run(images), slow(x), strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)


@pytest.mark.parametrize("name", BATCHES)
def test_what_else_is_judged_changes_nothing(name, tmp_path):
    """A cut's result is the same in every digit, wherever in a batch it stands."""
    size, n = {"rnet": 24, "onet": 48}[name], 2 * BATCHES[name] + 1
    images = np.random.default_rng(1).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    graph = compile_graph(name, cache=tmp_path)
    together = graph.in_batches(images)
    alone = [graph.in_batches(images[k : k + 1]) for k in range(n)]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        assert len(whole) == n
        np.testing.assert_array_equal(whole, np.concatenate(parts))
