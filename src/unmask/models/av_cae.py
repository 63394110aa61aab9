"""Transformers over the codes of a small autoencoder and over raw sound: a negative result, kept.

Paper: Abelli, Chen, Hays, 'Deepfake Detection with Transformer-Based Architectures in PyTorch'
(2020); code: github.com/johnchrishays/deepfake. `AvCae` = the classifier, `Objective` = every stage
of training, the autoencoders' (`av_cae_autoencoders`) included. The authors report 47 to 51 %
error, which is chance.

Differs, each a switch in `Config`: (1) the article masks the future and reads the last output, its
code averages over time: `causal`, `readout`; (2) the article multiplies by the positions, its code
adds them: `pe`; (3) sound of width 1 carries nothing, since a layer norm over one value answers its
bias: kept as `audio="faithful"`, repaired by the other modes.
Parameters: face classifier 72 281 794 and its frozen encoder 809; the paper gives none
(tests/models/test_av_cae.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models import base, create
from unmask.models.av_cae_autoencoders import (
    GAIN,
    RATE_HZ,
    Autoencoder,
    AutoencoderConfig,
    Code,
    LstmAutoencoder,
    LstmConfig,
    Stage,
    View,
    code_width,
    coding_layers,
    listened_to,
    turned,
    view_spec,
)
from unmask.models.base import Network, example, freeze
from unmask.models.blocks.attention import Plug, SelfAttention
from unmask.shapes import check_shape
from unmask.types import AudioSpec, Batch, Losses, Output

__all__ = [
    "Autoencoder",
    "AutoencoderConfig",
    "AvCae",
    "Config",
    "LossConfig",
    "LstmAutoencoder",
    "LstmConfig",
    "Objective",
]

FPS = 30  # of DFDC's videos: a spectrum for each frame has 5000 / 30 samples
EMBEDDED = 64  # width of sound and of scores where they are repaired; ours


@dataclass(frozen=True, kw_only=True)
class Config:
    """The classifier: the paper's values, its defects, and the ideas that it names for later."""

    view: View = "face"
    size_px: int = 160
    n_frames: int = 30  # the first second
    streams: Literal["both", "video", "audio"] = "both"
    tokens: Literal["ae", "cnn_features", "frame_scores"] = "ae"  # what a frame is to the encoder
    code: Code = "native"
    detector: str = "xception"  # frozen, for tokens other than "ae"; its input is then ours
    detector_config: dict[str, Any] = field(default_factory=dict)  # overrides of its Config
    audio: Literal["faithful", "embedded", "log_mel", "stft"] = "faithful"
    n_audio: int = 500  # 0.1 s, though the text calls it half a second; stft hears the whole clip
    heads: int = 8  # sound of width 1 has one
    layers: int = 6
    hidden: int = 2048
    dropout: float = 0.1
    plug: Plug = "none"  # in the encoders' attention; not of the paper
    pe: Literal["add", "mul"] = "add"
    causal: bool = True
    readout: Literal["last", "agg_mean", "agg_max"] = "last"
    # late: each stream becomes a number; else the named one queries the other in a decoder.
    fusion: Literal["late", "video_asks", "audio_asks"] = "late"


def audio_spec(config: Config) -> AudioSpec:
    """Say what is heard: raw samples, log-mel of them, or a spectrum for each frame."""
    match config.audio:
        case "log_mel":
            spectra = {"window": 128, "hop": 32, "mel_bins": 16}  # ours
            return AudioSpec(rate_hz=RATE_HZ, n_samples=config.n_audio, gain=GAIN, **spectra)
        case "stft":
            hop = RATE_HZ // FPS
            n = config.n_frames * hop
            return AudioSpec(rate_hz=RATE_HZ, n_samples=n, window=hop, hop=hop, gain=GAIN)
    return AudioSpec(rate_hz=RATE_HZ, n_samples=config.n_audio, gain=GAIN)


def sinusoids(n: int, dim: int) -> Tensor:
    """Positions (n, D): sines of ever longer waves, and cosines between them (Vaswani et al.)."""
    wave = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    angle = torch.arange(n)[:, None] * wave  # (n, D / 2)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :dim]


class Picture(nn.Module):
    """Frozen features of frames (B, T, C) to tokens (B, T, D): as they are, but scores embedded.

    Tokens of width 1 would tell the encoder nothing (3).
    """

    def __init__(self, width: int, config: Config) -> None:
        super().__init__()
        self.n_tokens, self.dim = config.n_frames, EMBEDDED if width == 1 else width
        self.embed = nn.Linear(1, EMBEDDED) if width == 1 else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, D)."""
        return self.embed(features)


class Sound(nn.Module):
    """Sound (B, F, S) to tokens (B, N, D): as it is (faithful), or embedded by a convolution."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        rows, positions = audio_spec(config).shape
        self.n_tokens, self.dim = positions, EMBEDDED
        self.embed: nn.Module = nn.Conv1d(rows, EMBEDDED, 1)
        if config.audio == "faithful":
            self.embed, self.dim = nn.Identity(), 1
        elif config.audio == "embedded":
            self.embed = nn.Conv1d(1, EMBEDDED, 10, stride=5)
            self.n_tokens = (positions - 10) // 5 + 1

    def forward(self, sound: Tensor) -> Tensor:
        """(B, F, S) -> (B, N, D)."""
        return self.embed(sound).transpose(1, 2)


class Placed(nn.Module):
    """Embedded tokens with their positions in time, added or multiplied."""

    positions: Tensor

    def __init__(self, embed: Picture | Sound, config: Config) -> None:
        super().__init__()
        self.embed = embed
        self.pe = config.pe
        self.drop = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(embed.n_tokens, embed.dim), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features of frames or sound -> tokens (B, N, D)."""
        x = self.embed(features)
        return self.drop(x + self.positions if self.pe == "add" else x * self.positions)


class EncoderLayer(nn.Module):
    """x = LN(x + MSA(x)),  x = LN(x + FF(x)): norm after the sum, ReLU, as torch's layer has it.

    Over tokens of width 1 the norm's output is its bias, whatever the input (3).
    """

    def __init__(self, dim: int, heads: int, config: Config) -> None:
        super().__init__()
        p = config.dropout
        self.attn = SelfAttention(
            dim, heads, qkv_bias=True, plug=config.plug, causal=config.causal, dropout=p
        )
        self.norm_attn = nn.LayerNorm(dim)
        self.feed = nn.Sequential(
            nn.Linear(dim, config.hidden), nn.ReLU(), nn.Dropout(p), nn.Linear(config.hidden, dim)
        )
        self.norm_feed = nn.LayerNorm(dim)
        self.drop = nn.Dropout(p)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        tokens = self.norm_attn(tokens + self.drop(self.attn(tokens)))
        return self.norm_feed(tokens + self.drop(self.feed(tokens)))


class Encoder(nn.Module):
    """Placed tokens through the layers."""

    def __init__(self, embed: Picture | Sound, config: Config) -> None:
        super().__init__()
        self.placed = Placed(embed, config)
        heads = heads_of(embed.dim, config)
        self.layers = nn.Sequential(
            *(EncoderLayer(embed.dim, heads, config) for _ in range(config.layers))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features of frames or sound -> (B, N, D)."""
        return self.layers(self.placed(features))


def heads_of(dim: int, config: Config) -> int:
    """Heads that divide a width; width 1 has one, as in the authors' code."""
    if dim > 1 and dim % config.heads:
        raise UsageError(f"heads = {config.heads} do not divide tokens of width {dim}")
    return config.heads if dim > 1 else 1


class Stream(nn.Module):
    """One modality alone: tokens to one number.

    `last`: Linear(D, 30)-sigmoid-Linear(30, 1) of the last output. `agg_mean`, `agg_max`: a
    probability at every position, then their mean or maximum. Width 1 is its own number.
    """

    def __init__(self, embed: Picture | Sound, config: Config) -> None:
        super().__init__()
        dim = embed.dim
        self.readout = config.readout
        self.encoder = Encoder(embed, config)
        self.head: nn.Module
        if dim == 1:
            self.head = nn.Identity()
        elif config.readout == "last":
            self.head = nn.Sequential(nn.Linear(dim, 30), nn.Sigmoid(), nn.Linear(30, 1))
        else:
            self.head = nn.Linear(dim, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features of frames or sound -> the stream's number (B,), a probability unless `last`."""
        x = self.encoder(features)  # (B, N, D)
        if self.readout == "last":
            return self.head(x[:, -1]).squeeze(-1)
        p = torch.sigmoid(self.head(x).squeeze(-1))  # (B, N)
        return p.mean(1) if self.readout == "agg_mean" else p.amax(1)

    def logit(self, number: Tensor) -> Tensor:
        """The stream's own logit (B,): binary cross-entropy of it is that of its probability."""
        return number if self.readout == "last" else torch.logit(number.float(), eps=1e-6)


class CrossFusion(nn.Module):
    """One modality through the encoder; the other queries it in a two-layer decoder.

    The article names the idea only. Ours: memory is projected to the asking one's width, the
    decoder's outputs are averaged over time.
    """

    def __init__(self, asking: Picture | Sound, asked: Picture | Sound, config: Config) -> None:
        super().__init__()
        self.asking = Placed(asking, config)
        self.asked = Encoder(asked, config)
        self.project = nn.Linear(asked.dim, asking.dim)
        heads = heads_of(asking.dim, config)
        layer = nn.TransformerDecoderLayer(
            asking.dim, heads, config.hidden, config.dropout, batch_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, num_layers=2)
        self.head = nn.Linear(asking.dim, 1)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Features of both -> logit (B,)."""
        memory = self.project(self.asked(asked))  # (B, M, D)
        return self.head(self.decoder(self.asking(asking), memory).mean(1)).squeeze(-1)


def cross_fusion(picture: Picture | None, sound: Sound | None, config: Config) -> CrossFusion:
    """Let video ask audio or the other way round, where both are there to answer."""
    if picture is None or sound is None:
        raise UsageError(f"fusion = {config.fusion} needs streams = both")
    if sound.dim == 1:
        raise UsageError(
            f"fusion = {config.fusion} with audio = faithful: a layer norm makes a constant of "
            "sound of width 1; choose audio = embedded"
        )
    if config.fusion == "video_asks":
        return CrossFusion(picture, sound, config)
    return CrossFusion(sound, picture, config)


class AvCae(Network):
    """Video and audio transformers over frozen tokens, fused by Linear(2, 1) or by a decoder.

    aux: `video`, `audio` (B,) each stream's own logit (late fusion); `frame_scores` (B, T) the
    frozen detector's logits, whose plain mean is what `tokens="frame_scores"` is compared with.
    """

    encoder: nn.Sequential | None  # frozen, of the autoencoder
    detector: Network | None  # frozen, in its place
    video: Stream | None
    audio: Stream | None
    fusion: nn.Linear | CrossFusion | None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        seen, heard = config.streams != "audio", config.streams != "video"
        self.input_spec = view_spec(
            config.view,
            config.size_px,
            config.n_frames if seen else 1,
            audio_spec(config) if heard else None,
        )
        if not seen:
            self.input_spec = replace(self.input_spec, view="none")
        self.encoder = self.detector = self.video = self.audio = self.fusion = None
        picture = self._frozen_picture() if seen else None
        sound = Sound(config) if heard else None
        if config.fusion != "late":
            self.fusion = cross_fusion(picture, sound, config)
            return
        self.video = Stream(picture, config) if picture is not None else None
        self.audio = Stream(sound, config) if sound is not None else None
        if self.video is not None and self.audio is not None:
            self.fusion = nn.Linear(2, 1)

    def _frozen_picture(self) -> Picture:
        """Set up what is frozen before the video transformer; returns the embedding after it."""
        config = self.config
        if config.tokens == "ae":
            self.encoder, _ = coding_layers(config.view, config.size_px, config.code)
            freeze(self.encoder)
            return Picture(code_width(config.view, config.size_px, config.code), config)
        self.detector = create(config.detector, **config.detector_config)
        freeze(self.detector)
        own = self.detector.input_spec
        if own.n_frames != 1:
            raise UsageError(f"detector = {config.detector}: must look at single frames")
        self.input_spec = replace(own, n_frames=config.n_frames, audio=self.input_spec.audio)
        if config.tokens == "frame_scores":
            return Picture(1, config)
        device = next(self.detector.parameters()).device
        aux = self.detector(example(self.detector, device=str(device))).aux
        if "feature" not in aux:
            raise UsageError(f"detector = {config.detector}: gives no pooled feature")
        return Picture(aux["feature"].shape[1], config)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages of training this network has, the usual first one first."""
        if self.config.fusion != "late":
            return ("joint",)
        if self.config.streams != "both":
            return (self.config.streams,)
        return ("video", "audio", "fusion", "joint")

    def parts(self, stage: Stage) -> list[nn.Module]:
        """What learns in a stage."""
        named = {"video": self.video, "audio": self.audio, "fusion": self.fusion}
        own = list(named.values()) if stage == "joint" else [named[stage]]
        return [part for part in own if part is not None]

    def train(self, mode: bool = True) -> AvCae:
        """Switch to training; what makes the tokens stays in eval mode."""
        super().train(mode)
        for frozen in (self.encoder, self.detector):
            if frozen is not None:
                frozen.eval()
        return self

    @property
    def frozen_part(self) -> nn.Module | None:
        """The autoencoder's encoder, or the detector in its place; None where nothing is seen."""
        return self.detector if self.encoder is None else self.encoder

    def frozen_codes(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) -> codes, features or scores (N, D)."""
        if self.encoder is not None:
            return self.encoder(turned(images, self.config.view)).flatten(1)
        assert self.detector is not None
        out = self.detector(Batch(frames=images[:, None]))
        return out.logit[:, None] if self.config.tokens == "frame_scores" else out.aux["feature"]

    def features(self, frames: Tensor) -> Tensor:
        """Frozen features of frames (B, T, 3, H, W) -> (B, T, D)."""
        return self.frozen_codes(frames.flatten(0, 1)).unflatten(0, (-1, self.config.n_frames))

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, T, 3, H, W), or codes of them, and sound (B, F, S) -> logit (B,)."""
        seen = self._seen(batch)
        heard = None if self.config.streams == "video" else listened_to(batch, self.input_spec)
        return self.score(seen, heard)

    def _seen(self, batch: Batch) -> Tensor | None:
        if batch.codes is not None:
            check_shape(batch.codes, "B T D", "codes", T=self.config.n_frames)
            return batch.codes
        frames = self.frames(batch)
        return None if self.config.streams == "audio" else self.features(frames)

    def score(self, seen: Tensor | None, heard: Tensor | None) -> Output:
        """Score features (B, T, D) of `features` and sound (B, F, S) -> logit (B,)."""
        aux: dict[str, Tensor] = {}
        if seen is not None and self.config.tokens == "frame_scores":
            aux["frame_scores"] = seen.squeeze(-1)
        if isinstance(self.fusion, CrossFusion):
            asking, asked = (seen, heard) if self.config.fusion == "video_asks" else (heard, seen)
            return Output(logit=self.fusion(asking, asked), aux=aux)
        numbers = []
        for name, stream, features in (("video", self.video, seen), ("audio", self.audio, heard)):
            if stream is not None:
                numbers.append(stream(features))
                aux[name] = stream.logit(numbers[-1])
        if self.fusion is None:
            return Output(logit=aux[self.config.streams], aux=aux)
        return Output(logit=self.fusion(torch.stack(numbers, -1)).squeeze(-1), aux=aux)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Which stage of training this is; the rest stays as it is.

    Separate training, the article's, is three runs: video, audio, then fusion on the two frozen
    streams. Joint training is one. None = the first stage that the network has.
    """

    stage: Stage | None = None


class Objective(base.Objective):
    """Mean squared error of an autoencoder, or binary cross-entropy of the stage's logit.

    Everything that the stage does not train is frozen and in eval mode.
    """

    model: Autoencoder | LstmAutoencoder | AvCae

    def __init__(self, model: Network, config: LossConfig | None = None) -> None:
        super().__init__()
        assert isinstance(model, Autoencoder | LstmAutoencoder | AvCae)
        self.model = model
        self.config = config or LossConfig()
        self.stage: Stage = self.config.stage or model.stages[0]
        if self.stage not in model.stages:
            raise UsageError(
                f"objective.stage = {self.stage}: this network is trained in the stages "
                f"{', '.join(model.stages)}"
            )
        freeze(model)
        for part in model.parts(self.stage):
            part.requires_grad_(True)

    def train(self, mode: bool = True) -> Objective:
        """Switch what learns in this stage."""
        super().train(mode)
        learning = self.model.parts(self.stage)
        for child in self.model.children():
            child.train(mode and any(child is part for part in learning))
        return self

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: mse of an autoencoder, else bce."""
        out = self.model(batch)
        if self.stage == "autoencoder":
            mse = F.mse_loss(out.aux["rebuilt"].float(), out.aux["target"].float())
            return Losses(total=mse, parts={"mse": mse}, logit=out.logit)
        logit = out.aux.get(self.stage, out.logit)
        bce = F.binary_cross_entropy_with_logits(logit.float(), batch.label.float())
        return Losses(total=bce, parts={"bce": bce}, logit=logit)
