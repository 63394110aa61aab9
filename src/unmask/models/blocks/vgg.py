"""The convolutional stack of CViT (Wodajo & Atnafu 2021), which DTN calls its VGG.

It is not VGG-16: 17 3x3 convolutions with batch norm in five groups, 10 813 248 parameters at full
width; with VGG-16 none of the totals published by Zhang et al. 2024 can be met.
"""

from torch import nn

Groups = tuple[tuple[int, int], ...]  # (width, number of convolutions) of each group

CVIT_GROUPS: Groups = ((32, 3), (64, 3), (128, 3), (256, 4), (512, 4))


def vgg_stack(groups: Groups = CVIT_GROUPS) -> nn.Sequential:
    """Stack of conv3x3-BN-ReLU groups, each closed by a 2x2 max pool.

    (B, 3, H, W) -> (B, width, H / 2^groups, W / 2^groups).
    """
    layers: list[nn.Module] = []
    channels = 3
    for width, n_convs in groups:
        for _ in range(n_convs):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)
