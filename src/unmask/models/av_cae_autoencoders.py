"""Autoencoders of pictures and of sound that `av_cae` begins with.

Paper: Abelli, Chen, Hays 2020, see `av_cae`. `Autoencoder` = the two convolutional ones, trained
first, whose frozen codes the classifier reads. `LstmAutoencoder` = the one of sound in the authors'
code, a negative result: with `output="faithful"` a softmax over one value makes it answer 1.
Parameters: faces and whole frames 1 620 each, encoder 809 and decoder 811.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.base import Network
from unmask.shapes import check_shape
from unmask.types import AudioSpec, Batch, InputSpec, Output

View = Literal["face", "full"]
Code = Literal["native", "eighth", "thousandth"]
Stage = Literal["autoencoder", "video", "audio", "fusion", "joint"]

RATE_HZ = 5000  # of the sound, by the article
GAIN = 2.0  # the authors divide 16-bit samples by 2^14: full scale is 2
# Channels of a code, and how many times shorter than the authors' its sides are. Of a face of 160
# pixels these are 1 296 numbers (1/59 of it), 9 072 (1/8.5) and 72 (1/1067).
CODES: dict[Code, tuple[int, int]] = {"native": (1, 1), "eighth": (7, 1), "thousandth": (2, 6)}


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Which pictures an autoencoder learns to rebuild, and how small its code is."""

    view: View = "face"
    size_px: int = 160  # side of a face; height of a whole frame, 1080 in the paper
    code: Code = "native"  # the article moved from 1/8 of the input towards 1/1000


@dataclass(frozen=True, kw_only=True)
class LstmConfig:
    """The autoencoder of sound: the values of the authors' code."""

    output: Literal["faithful", "fixed"] = "faithful"  # faithful: a softmax over one value
    n_audio: int = 145  # 20 windows, as the code takes them
    window: int = 50
    stride: int = 5
    hidden: int = 16
    layers: int = 2
    dropout: float = 0.3
    size_px: int = 160  # of the faces beside the sound, which it does not look at


def view_spec(view: View, size_px: int, n_frames: int, audio: AudioSpec | None) -> InputSpec:
    """Say what the authors look at, in [0, 1]: faces without margin, or whole frames of 16:9."""
    step = 216 if view == "full" else 4  # smaller steps would not be rebuilt at their own size
    if size_px % step:
        raise UsageError(f"size_px = {size_px}: must be a multiple of {step} for view = {view}")
    spec = InputSpec(size_px=size_px, n_frames=n_frames, mean=(0, 0, 0), std=(1, 1, 1), audio=audio)
    return spec if view == "face" else replace(spec, width_px=size_px * 16 // 9, view="frame")


def face_layers(size_px: int, code: Code) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder of faces: 3x160x160 <-> 1x36x36."""
    channels, shrink = CODES[code]
    encoder = nn.Sequential(
        *(nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.ReLU(), nn.Dropout(0.3)),  # 80
        *(nn.Conv2d(4, 4, 5, stride=2, padding=2), nn.ReLU()),  # 40
        *(nn.MaxPool2d(3, stride=1), nn.Dropout(0.3)),  # 38
        *(nn.Conv2d(4, channels, 5, padding=1), nn.MaxPool2d(5, 1, padding=2), nn.ReLU()),  # 36
    )
    decoder = nn.Sequential(
        *(nn.Conv2d(channels, 4, 5, padding=2), nn.ReLU()),  # 36
        *(nn.Upsample(size_px // 4), nn.Dropout(0.3)),  # 40
        *(nn.Conv2d(4, 4, 5, padding=2), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Dropout(0.3)),
        *(nn.Conv2d(4, 3, 5, padding=2), nn.ReLU(), nn.Upsample(scale_factor=2)),  # 160
    )
    if shrink > 1:
        encoder.append(nn.MaxPool2d(shrink))
        decoder.insert(0, nn.Upsample(scale_factor=shrink))
    return encoder, decoder


def full_layers() -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder of whole frames, width first: 3x1920x1080 <-> 1x80x45."""
    encoder = nn.Sequential(
        *(nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.ReLU()),  # 960x540
        nn.MaxPool2d(4, stride=2, padding=1),  # 480x270
        *(nn.Conv2d(4, 4, 5, stride=2, padding=2), nn.ReLU()),  # 240x135
        nn.MaxPool2d(5, stride=1, padding=2),
        nn.Conv2d(4, 1, 5, stride=3, padding=2),  # 80x45
        *(nn.MaxPool2d(5, stride=1, padding=2), nn.ReLU()),
    )
    decoder = nn.Sequential(
        *(nn.Upsample(scale_factor=3), nn.Conv2d(1, 4, 5, padding=2), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 5, padding=2), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 5, padding=2)),
        *(nn.Upsample(scale_factor=2), nn.ReLU()),
    )
    return encoder, decoder


def coding_layers(view: View, size_px: int, code: Code) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder of a view."""
    if view == "face":
        return face_layers(size_px, code)
    if code != "native":
        raise UsageError(f"code = {code}: of whole frames the code is 1/1728 in any case")
    return full_layers()


def turned(images: Tensor, view: View) -> Tensor:
    """Lay whole frames (..., H, W) as the authors do, (..., W, H), or back; faces stay."""
    return images.transpose(-1, -2) if view == "full" else images


def unexplained(target: Tensor, rebuilt: Tensor) -> Tensor:
    """Log of the share of a clip's variance that is not rebuilt, (B,): 0 = no better than its mean.

    The contract wants a logit of every network, and how badly it rebuilds a clip is the only
    evidence that an autoencoder has. The paper claims nothing of the kind.
    """
    target, rebuilt = target.flatten(1).float(), rebuilt.flatten(1).float()
    error, variance = (target - rebuilt).square().mean(1), target.var(1, correction=0)
    return torch.log(error + 1e-6) - torch.log(variance + 1e-6)


class Autoencoder(Network):
    """Convolutional autoencoder of faces or whole frames, trained before the classifier.

    aux: `code` (B, c, h, w); `target` and `rebuilt` (B, 3, H, W).
    """

    stages: tuple[Stage, ...] = ("autoencoder",)

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.input_spec = view_spec(config.view, config.size_px, 1, None)
        self.encoder, self.decoder = coding_layers(config.view, config.size_px, config.code)

    def parts(self, _: Stage) -> list[nn.Module]:
        """What learns: all of it."""
        return [self.encoder, self.decoder]

    def forward(self, batch: Batch) -> Output:
        """Rebuild frames (B, 1, 3, H, W) in [0, 1] -> logit (B,), see `unexplained`."""
        images = self.frames(batch).flatten(0, 1)  # (B, 3, H, W)
        code = self.encoder(turned(images, self.config.view))
        rebuilt = turned(self.decoder(code), self.config.view)
        aux = {"code": code, "target": images, "rebuilt": rebuilt}
        return Output(logit=unexplained(images, rebuilt), aux=aux)


class LstmAutoencoder(Network):
    """Autoencoder of short windows of sound: the decoder begins at the encoder's last state.

    The decoder's input is zero at every step, as in the authors' code.
    aux: `target` and `rebuilt` (B, windows, samples).
    """

    stages: tuple[Stage, ...] = ("autoencoder",)

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        self.config = config
        sound = AudioSpec(rate_hz=RATE_HZ, n_samples=config.n_audio, gain=GAIN)
        self.input_spec = view_spec("face", config.size_px, 1, sound)
        layout = {"num_layers": config.layers, "dropout": config.dropout, "batch_first": True}
        self.encoder = nn.LSTM(1, config.hidden, **layout)
        self.decoder = nn.LSTM(1, config.hidden, **layout)
        self.linear = nn.Linear(config.hidden, 1)

    def parts(self, _: Stage) -> list[nn.Module]:
        """What learns: all of it."""
        return [self.encoder, self.decoder, self.linear]

    def forward(self, batch: Batch) -> Output:
        """Rebuild sound (B, 1, S), whatever the frames show -> logit (B,), see `unexplained`."""
        self.frames(batch)
        sound = listened_to(batch, self.input_spec)[:, 0]  # (B, S)
        target = sound.unfold(1, self.config.window, self.config.stride)  # (B, windows, samples)
        x = target.reshape(-1, self.config.window, 1)
        _, state = self.encoder(x)
        y = self.linear(self.decoder(torch.zeros_like(x), state)[0])  # (B * windows, samples, 1)
        if self.config.output == "faithful":
            y = y.softmax(-1)  # over the one value: always 1
        rebuilt = y.reshape(target.shape)
        aux = {"target": target, "rebuilt": rebuilt}
        return Output(logit=unexplained(target, rebuilt), aux=aux)


def listened_to(batch: Batch, spec: InputSpec) -> Tensor:
    """Sound of a batch, if it is there and what is expected."""
    assert spec.audio is not None
    n_rows, n_positions = spec.audio.shape
    if batch.audio is None:
        raise ValueError(
            f"audio: expected (B, {n_rows}, {n_positions}), got None; this system listens. Where a "
            "clip is silent its training takes zeros, which whoever makes the batch must decide"
        )
    check_shape(batch.audio, "B F S", "audio", F=n_rows, S=n_positions)
    return batch.audio


def code_width(view: View, size_px: int, code: Code) -> int:
    """Numbers in the code of a picture."""
    if view == "full":
        return (size_px * 16 // 9 // 24) * (size_px // 24)
    channels, shrink = CODES[code]
    return channels * ((size_px // 4 - 4) // shrink) ** 2
