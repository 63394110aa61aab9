"""AvCae: sizes, codes, its encoder beside torch's, its defects kept and repaired, every stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models import create
from unmask.models.av_cae import (
    Autoencoder,
    AutoencoderConfig,
    AvCae,
    Config,
    LossConfig,
    LstmAutoencoder,
    LstmConfig,
    Objective,
    sinusoids,
)
from unmask.models.av_cae_autoencoders import unexplained
from unmask.models.base import Network
from unmask.types import Batch

TINY = Config(size_px=64, n_frames=4, n_audio=60, heads=2, layers=2, hidden=16, dropout=0.0)
TINY_LSTM = LstmConfig(n_audio=40, window=20, size_px=32, dropout=0.0)
SOUNDS = ("embedded", "log_mel", "stft")


def tiny(**changes: object) -> AvCae:
    torch.manual_seed(0)
    return AvCae(replace(TINY, **changes)).eval()


def clips(network: Network, n: int = 4, seed: int = 1) -> Batch:
    chance = torch.Generator().manual_seed(seed)
    spec = network.input_spec
    frames = torch.rand(n, spec.n_frames, 3, *spec.shape_px, generator=chance)
    audio = None
    if spec.audio is not None:
        audio = torch.randn(n, *spec.audio.shape, generator=chance)
    return Batch(frames=frames, audio=audio, label=(torch.arange(n) % 2).float())


def moved(network: Network, std: float = 0.1) -> Network:
    """Away from weights that start at zero or one."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * std)
    return network.eval()


def n_parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def n_learning(network: Network) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def on_meta(name: str, **overrides: object) -> AvCae:
    with torch.device("meta"):
        return create(name, **overrides).eval()


# Sizes, codes and shapes


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("av_cae/face_agg", 72_281_794), ("av_cae/full_agg_code", 158_387_179)],
)
def test_classifiers_have_the_sizes_of_the_authors_code(name: str, parameters: int) -> None:
    network = on_meta(name)
    assert n_learning(network) == parameters
    assert n_parameters(network) == parameters + n_parameters(network.encoder) == parameters + 809


def test_the_full_frame_encoder_of_the_article_has_400_million_parameters() -> None:
    assert n_parameters(on_meta("av_cae/full_agg").video.encoder) == 399_720_288


def test_reading_the_last_output_adds_its_two_layers() -> None:
    last, aggregated = on_meta("av_cae"), on_meta("av_cae/face_agg")
    two_layers = 1296 * 30 + 30 + 30 + 1
    assert n_parameters(last) - n_parameters(aggregated) == two_layers - (1296 + 1)


@pytest.mark.parametrize(
    ("view", "size_px", "code", "image"),
    [
        ("face", 160, (1, 36, 36), (3, 160, 160)),
        ("full", 1080, (1, 80, 45), (3, 1080, 1920)),
    ],
)
def test_autoencoders_have_the_published_sizes_and_codes(
    view: str, size_px: int, code: tuple[int, ...], image: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        network = Autoencoder(AutoencoderConfig(view=view, size_px=size_px)).eval()
        out = network(Batch(frames=torch.zeros(1, 1, *image)))
    assert n_parameters(network) == 1_620
    assert (n_parameters(network.encoder), n_parameters(network.decoder)) == (809, 811)
    assert tuple(out.aux["code"].shape[1:]) == code
    assert tuple(out.aux["rebuilt"].shape[1:]) == image


# Sizes on the way to the code, and on the way back.
FACE = ((80, 80), (40, 40), (38, 38), (36, 36)), ((40, 40), (80, 80), (160, 160))
FULL = (
    ((960, 540), (480, 270), (240, 135), (80, 45)),
    ((240, 135), (480, 270), (960, 540), (1920, 1080)),
)


@pytest.mark.parametrize(("view", "size_px", "sizes"), [("face", 160, FACE), ("full", 1080, FULL)])
def test_pictures_pass_the_published_sizes_on_their_way(
    view: str, size_px: int, sizes: tuple[tuple[tuple[int, int], ...], ...]
) -> None:
    with torch.device("meta"):
        network = Autoencoder(AutoencoderConfig(view=view, size_px=size_px)).eval()
        x = torch.zeros(1, 3, *(sizes[1][-1]))
    for half, wanted in zip((network.encoder, network.decoder), sizes, strict=True):
        passed = [tuple(x.shape[2:])]
        for layer in half:
            x = layer(x)
            if x.shape[2:] != passed[-1]:
                passed.append(tuple(x.shape[2:]))
        assert tuple(passed[1:]) == wanted


@pytest.mark.parametrize(
    ("code", "share"), [("eighth", 8.5), ("native", 59.3), ("thousandth", 1067)]
)
def test_codes_are_the_stated_share_of_a_face(code: str, share: float) -> None:
    with torch.device("meta"):
        network = Autoencoder(AutoencoderConfig(code=code)).eval()
        out = network(Batch(frames=torch.zeros(2, 1, 3, 160, 160)))
        classifier = AvCae(Config(code=code, layers=1)).eval()
    width = out.aux["code"][0].numel()
    assert 3 * 160 * 160 / width == pytest.approx(share, rel=0.01)
    assert out.aux["rebuilt"].shape == (2, 3, 160, 160)
    assert classifier.video.encoder.placed.positions.shape == (30, width)


def test_the_classifier_reads_the_code_of_the_autoencoder_by_the_same_names() -> None:
    autoencoder = Autoencoder(AutoencoderConfig(size_px=64)).eval()
    network = tiny()
    own = {k: v for k, v in autoencoder.state_dict().items() if k.startswith("encoder.")}
    missing = network.load_state_dict(own, strict=False)
    assert not missing.unexpected_keys
    assert len(own) == 6
    batch = clips(network)
    one = Batch(frames=batch.frames[:, 2:3])
    with torch.no_grad():
        torch.testing.assert_close(
            network.features(batch.frames)[:, 2], autoencoder(one).aux["code"].flatten(1)
        )


@torch.no_grad()
def test_whole_frames_lie_on_their_side_as_in_the_authors_code() -> None:
    torch.manual_seed(0)
    network = Autoencoder(AutoencoderConfig(view="full", size_px=216)).eval()
    frames = clips(network, 1).frames
    assert frames.shape == (1, 1, 3, 216, 384)
    out = network(Batch(frames=frames))
    code = network.encoder(frames[0].permute(0, 1, 3, 2))
    torch.testing.assert_close(out.aux["code"], code)
    rebuilt = network.decoder(code).permute(0, 1, 3, 2)
    torch.testing.assert_close(out.aux["rebuilt"], rebuilt)


@pytest.mark.parametrize(
    ("audio", "n_audio", "shape", "n_tokens", "width"),
    [
        ("faithful", 500, (1, 500), 500, 1),
        ("faithful", 2500, (1, 2500), 2500, 1),
        ("embedded", 500, (1, 500), 99, 64),
        ("log_mel", 500, (16, 12), 12, 64),
        ("stft", 500, (84, 30), 30, 64),
    ],
)
def test_sound_becomes_the_tokens_of_its_mode(
    audio: str, n_audio: int, shape: tuple[int, int], n_tokens: int, width: int
) -> None:
    network = AvCae(Config(audio=audio, n_audio=n_audio, layers=1, streams="audio"))
    assert network.input_spec.audio.shape == shape
    x = torch.randn(2, *shape)
    tokens = network.audio.encoder.placed.embed(x)
    assert tokens.shape == (2, n_tokens, width)
    if audio == "faithful":
        assert torch.equal(tokens, x.transpose(1, 2))


# The transformer


def torchs_encoder(network: AvCae, dim: int, heads: int) -> nn.TransformerEncoder:
    """torch's encoder with the weights of the video stream."""
    layer = nn.TransformerEncoderLayer(
        dim, heads, network.config.hidden, dropout=0.0, batch_first=True
    )
    reference = nn.TransformerEncoder(layer, network.config.layers, enable_nested_tensor=False)
    places = {
        "attn.qkv.weight": "self_attn.in_proj_weight",
        "attn.qkv.bias": "self_attn.in_proj_bias",
        "attn.out.": "self_attn.out_proj.",
        "feed.0.": "linear1.",
        "feed.3.": "linear2.",
        "norm_attn.": "norm1.",
        "norm_feed.": "norm2.",
    }
    renamed = {}
    for key, value in network.video.encoder.layers.state_dict().items():
        for ours, theirs in places.items():
            key = key.replace(ours, theirs)  # noqa: PLW2901
        renamed[f"layers.{key}"] = value
    reference.load_state_dict(renamed)
    return reference.train()  # with gradients and without dropout: its plain, slow path


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("explicit", [True, False])
def test_the_encoder_equals_torchs_with_the_same_weights(causal: bool, explicit: bool) -> None:
    network = moved(tiny(causal=causal))
    for layer in network.video.encoder.layers:
        layer.attn.explicit = explicit
    tokens = torch.randn(3, 4, 144)
    mask = nn.Transformer.generate_square_subsequent_mask(4) if causal else None
    ours = network.video.encoder.layers(tokens)
    slow = torchs_encoder(network, 144, 2)(tokens, mask=mask, is_causal=causal)
    torch.testing.assert_close(ours, slow, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_causal_encoder_never_looks_ahead() -> None:
    tokens = torch.randn(1, 4, 144)
    later = tokens.clone()
    later[:, 3] += 1
    for causal in (True, False):
        layers = moved(tiny(causal=causal)).video.encoder.layers
        same = torch.allclose(layers(tokens)[:, :3], layers(later)[:, :3], atol=1e-6)
        assert same is causal


@pytest.mark.parametrize("dim", [1, 6, 9])
def test_positions_are_sines_and_cosines_of_growing_waves(dim: int) -> None:
    table = sinusoids(5, dim)
    assert table.shape == (5, dim)
    for t in range(5):
        for i in range(dim):
            angle = t / 10_000 ** ((i - i % 2) / dim)
            wave = math.cos(angle) if i % 2 else math.sin(angle)
            assert table[t, i].item() == pytest.approx(wave, abs=1e-5)


@pytest.mark.parametrize(("pe", "placed"), [("add", torch.add), ("mul", torch.mul)])
def test_positions_are_added_or_multiplied(pe: str, placed: Callable[..., Tensor]) -> None:
    codes = torch.randn(2, 4, 144)
    tokens = tiny(pe=pe).video.encoder.placed(codes)
    torch.testing.assert_close(tokens, placed(codes, sinusoids(4, 144)))


# Readout and fusion


@torch.no_grad()
@pytest.mark.parametrize("readout", ["last", "agg_mean", "agg_max"])
def test_a_stream_is_read_as_its_mode_says(readout: str) -> None:
    network = moved(tiny(readout=readout, audio="embedded"))
    batch = clips(network)
    codes = network.features(batch.frames)
    x = network.video.encoder(codes)  # (B, T, D)
    head = network.video.head
    if readout == "last":
        hidden = 1 / (1 + torch.exp(-(x[:, 3] @ head[0].weight.T + head[0].bias)))
        number = (hidden @ head[2].weight.T + head[2].bias)[:, 0]
        logit = number
    else:
        p = 1 / (1 + torch.exp(-(x @ head.weight.T + head.bias)[..., 0]))  # (B, T)
        number = p.sum(1) / 4 if readout == "agg_mean" else p.max(1).values
        logit = torch.log(number / (1 - number))
    torch.testing.assert_close(network.video(codes), number, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network(batch).aux["video"], logit, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_late_fusion_is_a_weighted_sum_of_the_two_streams() -> None:
    network = moved(tiny(readout="agg_mean", audio="embedded"))
    batch = clips(network)
    video = network.video(network.features(batch.frames))
    audio = network.audio(batch.audio)
    a, b = network.fusion.weight[0]
    slow = a * video + b * audio + network.fusion.bias
    torch.testing.assert_close(network(batch).logit, slow, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_kept_codes_score_as_their_frames_do() -> None:
    network = moved(tiny())
    batch = clips(network)
    kept = network.features(batch.frames)
    assert kept.shape == (4, 4, 144)
    torch.testing.assert_close(network.score(kept, batch.audio).logit, network(batch).logit)


@torch.no_grad()
@pytest.mark.parametrize("fusion", ["video_asks", "audio_asks"])
def test_in_cross_fusion_each_modality_changes_the_answer(fusion: str) -> None:
    network = moved(tiny(fusion=fusion, audio="embedded"))
    batch = clips(network)
    logit = network(batch).logit
    other = clips(network, seed=9)
    deaf = network(replace(batch, audio=other.audio)).logit
    blind = network(replace(batch, frames=other.frames)).logit
    assert (logit - deaf).abs().min() > 1e-4
    assert (logit - blind).abs().min() > 1e-4


# Sound carries nothing, unless it is repaired


@torch.no_grad()
@pytest.mark.parametrize("readout", ["last", "agg_mean"])
def test_d1_faithful_sound_is_a_constant_whatever_is_heard(readout: str) -> None:
    network = moved(tiny(streams="audio", readout=readout))
    batch = clips(network, 6)
    batch.audio = batch.audio * torch.tensor([0.0, 0.1, 1, 10, 100, -5]).view(6, 1, 1)
    logit = network(batch).logit
    assert (logit == logit[0]).all()  # the spread is exactly zero
    bias = network.audio.encoder.layers[-1].norm_feed.bias
    torch.testing.assert_close(logit[:1], bias)


@torch.no_grad()
@pytest.mark.parametrize("audio", SOUNDS)
def test_repaired_sound_is_heard(audio: str) -> None:
    network = moved(tiny(streams="audio", audio=audio, n_audio=500))
    logit = network(clips(network, 6)).logit
    assert logit.std() > 1e-3


def test_faithful_sound_cannot_learn_but_its_last_bias() -> None:
    network = tiny(streams="audio")
    objective = Objective(network).train()
    fakes = replace(clips(network), label=torch.ones(4))  # at .5, half of each would balance out
    objective(fakes).total.backward()
    moving = {name for name, p in network.named_parameters() if p.grad.abs().max() > 1e-5}
    assert moving == {"audio.encoder.layers.1.norm_feed.bias"}


@torch.no_grad()
def test_d2_the_faithful_lstm_answers_one() -> None:
    torch.manual_seed(0)
    faithful = LstmAutoencoder(TINY_LSTM).eval()
    out = faithful(clips(faithful))
    assert (out.aux["rebuilt"] == 1).all()
    fixed = LstmAutoencoder(replace(TINY_LSTM, output="fixed")).eval()
    fixed.load_state_dict(faithful.state_dict())
    rebuilt = fixed(clips(fixed)).aux["rebuilt"]
    assert rebuilt.std(0).max() > 1e-4


def test_the_faithful_lstm_cannot_learn_and_the_fixed_one_can() -> None:
    for output in ("faithful", "fixed"):
        torch.manual_seed(0)
        network = LstmAutoencoder(replace(TINY_LSTM, output=output))
        Objective(network).train()(clips(network)).total.backward()
        learns = any(p.grad.abs().max() > 0 for p in network.parameters())
        assert learns is (output == "fixed")


@torch.no_grad()
def test_the_lstm_rebuilds_windows_step_by_step_from_the_encoders_last_state() -> None:
    torch.manual_seed(0)
    network = LstmAutoencoder(replace(TINY_LSTM, output="fixed")).eval()
    batch = clips(network, 2)
    out = network(batch)
    assert out.aux["target"].shape == (2, 5, 20)  # (40 - 20) / 5 + 1 windows
    window = batch.audio[1, 0, 10:30]
    torch.testing.assert_close(out.aux["target"][1, 2], window)
    _, state = network.encoder(window[None, :, None])
    for t in range(20):
        step, state = network.decoder(torch.zeros(1, 1, 1), state)
        value = network.linear(step).item()
        assert out.aux["rebuilt"][1, 2, t].item() == pytest.approx(value, abs=1e-5)


# Frozen detectors in place of the autoencoder


@torch.no_grad()
def test_features_of_a_frozen_detector_stand_in_for_codes() -> None:
    network = tiny(tokens="cnn_features", detector="mesonet-4")
    assert network.input_spec.size_px == 256  # the detector's own view
    assert network.input_spec.n_frames == 4
    assert not any(p.requires_grad for p in network.detector.parameters())
    batch = clips(network, 2)
    features = network.features(batch.frames)
    third = network.detector(Batch(frames=batch.frames[:, 2:3])).aux["feature"]
    torch.testing.assert_close(features[:, 2], third)
    assert network(batch).logit.shape == (2,)


@torch.no_grad()
def test_scores_of_a_frozen_detector_are_read_over_time() -> None:
    network = moved(tiny(tokens="frame_scores", detector="mesonet-4"))
    batch = clips(network, 2)
    out = network(batch)
    each = [network.detector(Batch(frames=batch.frames[:, t : t + 1])).logit for t in range(4)]
    torch.testing.assert_close(out.aux["frame_scores"], torch.stack(each, 1))
    backwards = network(replace(batch, frames=batch.frames.flip(1)))
    assert (backwards.logit - out.logit).abs().max() > 1e-4  # a plain mean would not notice


# Training by stages


def learning(objective: Objective) -> set[str]:
    own = {id(p) for group in objective.param_groups() for p in group["params"]}
    return {n.split(".")[0] for n, p in objective.model.named_parameters() if id(p) in own}


@pytest.mark.parametrize(
    ("stage", "parts"),
    [
        (None, {"video"}),
        ("video", {"video"}),
        ("audio", {"audio"}),
        ("fusion", {"fusion"}),
        ("joint", {"video", "audio", "fusion"}),
    ],
)
def test_a_stage_moves_its_own_parts_and_no_other(stage: str | None, parts: set[str]) -> None:
    network = tiny(audio="embedded", dropout=0.1)
    objective = Objective(network, LossConfig(stage=stage)).train()
    assert learning(objective) == parts
    modes = {name: child.training for name, child in network.named_children()}
    assert {name for name, training in modes.items() if training} == parts
    objective(clips(network)).total.backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) is (name.split(".")[0] in parts), name


@pytest.mark.parametrize("stage", ["video", "audio", "fusion", "joint"])
@pytest.mark.parametrize("readout", ["last", "agg_mean", "agg_max"])
def test_the_loss_of_a_stage_is_the_cross_entropy_of_its_own_score(
    stage: str, readout: str
) -> None:
    network = moved(tiny(audio="embedded", readout=readout))
    objective = Objective(network, LossConfig(stage=stage)).eval()
    batch = clips(network)
    losses = objective(batch)
    with torch.no_grad():
        if stage == "video":
            number = network.video(network.features(batch.frames))
        elif stage == "audio":
            number = network.audio(batch.audio)
        else:
            number = network(batch).logit
        probability = readout != "last" and stage in {"video", "audio"}
        p = number if probability else torch.sigmoid(number)
    slow = 0.0
    for own, y in zip(p.tolist(), batch.label.tolist(), strict=True):
        slow -= math.log(own if y else 1 - own) / 4
    assert losses.total.item() == pytest.approx(slow, rel=1e-4)
    torch.testing.assert_close(torch.sigmoid(losses.logit), p, rtol=1e-4, atol=1e-5)


def test_an_autoencoder_learns_the_mean_squared_error() -> None:
    torch.manual_seed(0)
    network = Autoencoder(AutoencoderConfig(size_px=32))
    objective = Objective(network).eval()
    batch = clips(network, 2)
    losses = objective(batch)
    rebuilt = network(batch).aux["rebuilt"]
    slow = sum(
        (a - b) ** 2
        for a, b in zip(batch.frames.flatten().tolist(), rebuilt.flatten().tolist(), strict=True)
    )
    assert losses.total.item() == pytest.approx(slow / batch.frames.numel(), rel=1e-4)
    losses.total.backward()
    assert all(p.grad.abs().max() > 0 for p in network.parameters())


def test_the_logit_of_an_autoencoder_is_what_it_leaves_unexplained() -> None:
    target = torch.rand(2, 3, 8, 8)
    mean = target.mean((1, 2, 3), keepdim=True).expand_as(target)
    torch.testing.assert_close(unexplained(target, mean), torch.zeros(2), atol=1e-4, rtol=0)
    half = unexplained(target, (target + mean) / 2)
    torch.testing.assert_close(half, torch.full((2,), math.log(1 / 4)), atol=1e-3, rtol=0)
    assert (unexplained(target, target) < -9).all()
    assert unexplained(torch.zeros(1, 4), torch.zeros(1, 4)).isfinite().all()


# What is refused, in words


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: tiny(heads=5), "heads = 5 do not divide tokens of width 144"),
        (lambda: tiny(fusion="video_asks"), "choose audio = embedded"),
        (lambda: tiny(fusion="audio_asks", streams="video"), "streams = both"),
        (lambda: tiny(size_px=66), "multiple of 4"),
        (lambda: tiny(view="full", size_px=100), "multiple of 216"),
        (lambda: tiny(view="full", size_px=216, code="eighth"), "1/1728"),
        (lambda: Objective(tiny(streams="audio"), LossConfig(stage="video")), "stages audio"),
        (
            lambda: Objective(
                tiny(fusion="video_asks", audio="embedded"), LossConfig(stage="fusion")
            ),
            "stages joint",
        ),
        (
            lambda: Objective(LstmAutoencoder(TINY_LSTM), LossConfig(stage="joint")),
            "stages autoencoder",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(build: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build()


def test_silence_is_not_made_up_where_there_is_no_sound() -> None:
    network = tiny()
    with pytest.raises(ValueError, match=r"audio: expected \(B, 1, 60\), got None"):
        network(replace(clips(network), audio=None))
    with pytest.raises(ValueError, match=r"audio: expected \(B, F=1, S=60\), got \(4, 1, 59\)"):
        network(replace(clips(network), audio=torch.zeros(4, 1, 59)))
