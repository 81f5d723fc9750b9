"""StackGAN's networks against their paper's layers, and the two stages in a row."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.keras_file import plain_keras
from tests.networks.conformance import leaves, randomize
from tests.networks.examples import images, normal
from tfgan_models.networks import (
    CharacterEncoder,
    StackGenerator,
    StageOneDiscriminator,
    StageOneGenerator,
    StageTwoDiscriminator,
    StageTwoGenerator,
)

SMALL = {"embedding_size": 6, "condition_size": 3, "filters": 4}


def stage_one(**options: Any) -> StageOneGenerator:
    return StageOneGenerator(**{"resolution": 16, "latent_size": 5, **SMALL, **options})


def stage_two(**options: Any) -> StageTwoGenerator:
    sizes = {"resolution": 64, "input_resolution": 16, "residual_blocks": 1}
    return StageTwoGenerator(**{**sizes, **SMALL, **options})


def stack(**options: Any) -> StackGenerator:
    """Returns both stages with weights as after some training."""
    # With fewer filters all of stage two's last activations could be off.
    network = StackGenerator(stage_one(), stage_two(filters=8), **options)
    randomize(network)
    return network


def conv(kernel: int, inputs: int, outputs: int, norm: bool = True) -> int:
    """Weights of a convolution without bias and of the scales and offsets after it."""
    return kernel * kernel * inputs * outputs + (2 * outputs if norm else 0)


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def bottleneck(width: int) -> int:
    inner = width // 4
    return conv(1, width, inner) + conv(3, inner, inner) + conv(3, inner, width)


def parameters(network: keras.Model) -> int:
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


def test_parameters_of_stage_one() -> None:
    """4x4x1024, 8x8x512, 16x16x256, 32x32x128, 64x64x3."""
    expected = dense(1024, 2 * 128)
    expected += (128 + 100) * 16 * 1024 + 2 * 16 * 1024
    expected += bottleneck(1024) + conv(3, 1024, 512) + bottleneck(512)
    expected += conv(3, 512, 256) + conv(3, 256, 128) + conv(3, 128, 3, norm=False)
    assert parameters(StageOneGenerator()) == expected == 14_247_808


def test_parameters_of_stage_two() -> None:
    """64x64x128, 32x32x256, 16x16x512, four residual blocks, up to 256x256x32."""
    expected = dense(1024, 2 * 128)
    expected += conv(3, 3, 128, norm=False) + conv(4, 128, 256) + conv(4, 256, 512)
    expected += conv(3, 512 + 128, 512) + 4 * 2 * conv(3, 512, 512)
    expected += conv(3, 512, 256) + conv(3, 256, 128) + conv(3, 128, 64)
    expected += conv(3, 64, 32) + conv(3, 32, 3, norm=False)
    assert parameters(StageTwoGenerator()) == expected == 26_290_080


def test_parameters_of_the_first_discriminator() -> None:
    expected = conv(4, 3, 64, norm=False) + conv(4, 64, 128) + conv(4, 128, 256)
    expected += conv(4, 256, 512) + bottleneck(512) + dense(1024, 128)
    expected += conv(1, 512 + 128, 512) + conv(4, 512, 1, norm=False)
    assert parameters(StageOneDiscriminator()) == expected == 4_029_824


def test_parameters_of_the_second_discriminator() -> None:
    expected = conv(4, 3, 64, norm=False) + conv(4, 64, 128) + conv(4, 128, 256)
    expected += conv(4, 256, 512) + conv(4, 512, 1024) + conv(4, 1024, 2048)
    expected += conv(1, 2048, 1024) + conv(1, 1024, 512) + bottleneck(512)
    expected += dense(1024, 128) + conv(1, 512 + 128, 512) + conv(4, 512, 1, norm=False)
    assert parameters(StageTwoDiscriminator()) == expected == 48_603_520


def test_fresh_weights() -> None:
    """Kernels N(0, 0.02), scales N(1, 0.02), the published code's constants."""
    networks = (
        stage_one(filters=32),
        stage_two(filters=32),
        StageOneDiscriminator(16, 6, 3, 32),
    )
    for network in networks:
        starts = set()
        for weight in network.trainable_weights:
            value = weight.numpy().ravel()
            if weight.name in ("beta", "bias"):
                assert not value.any()
                continue
            mean = 1.0 if weight.name == "gamma" else 0.0
            # Five standard errors of a mean and of a deviation.
            assert abs(value.mean() - mean) < 5 * 0.02 / value.size**0.5
            assert abs(value.std() / 0.02 - 1) < 5 / (2 * value.size) ** 0.5
            starts.add(tuple(value[:8]))
        assert len(starts) == sum(
            w.name in ("kernel", "gamma") for w in network.trainable_weights
        )
        norms = [x for x in leaves(network) if "norm" in x.name]
        assert {(x.momentum, x.epsilon) for x in norms} == {(0.9, 1e-5)}


def outputs(body: keras.Model, *layers: str) -> list[tuple[int, ...]]:
    return [body.get_layer(name).output.shape[1:] for name in layers]


def test_maps_of_the_published_networks() -> None:
    one = StageOneGenerator().body
    assert outputs(one, "stage1_4_relu", "stage1_8_relu", "stage1_16_relu") == [
        (4, 4, 1024),
        (8, 8, 512),
        (16, 16, 256),
    ]
    two = StageTwoGenerator().body
    names = ("encode3_relu", "block4_relu", "32_relu", "64_relu", "128_relu")
    assert outputs(two, *[f"stage2_{name}" for name in names]) == [
        (16, 16, 512),
        (16, 16, 512),
        (32, 32, 256),
        (64, 64, 128),
        (128, 128, 64),
    ]


@pytest.mark.parametrize("resolution", [16, 32, 128])
def test_stage_one_of_other_sizes(resolution: int) -> None:
    network = stage_one(resolution=resolution)
    image, mean, log_sigma = network(normal(2, 6), normal(2, 5))
    assert image.shape == (2, resolution, resolution, 3)
    assert mean.shape == log_sigma.shape == (2, 3)
    assert outputs(network.body, f"stage1_{resolution // 2}_relu")[0][-1] == 4
    judge = StageOneDiscriminator(resolution, **SMALL)
    assert judge(image, normal(2, 6)).shape == (2, 1)


@pytest.mark.parametrize(("small", "large"), [(16, 32), (16, 128), (32, 64)])
def test_stage_two_of_other_sizes(small: int, large: int) -> None:
    network = stage_two(resolution=large, input_resolution=small, filters=8)
    image, *_ = network(images(small), normal(2, 6))
    assert image.shape == (2, large, large, 3)
    assert StageTwoDiscriminator(large, **SMALL)(image, normal(2, 6)).shape == (2, 1)


def test_more_doublings_need_more_filters() -> None:
    with pytest.raises(ValueError, match=r"filters must be 8 or more.*filters=4"):
        stage_two(resolution=128, input_resolution=16)


def test_the_condition_is_its_mean_and_noise() -> None:
    network = stage_one()
    randomize(network)
    embedding, noise = normal(2, 6), normal(2, 3, seed=1)
    kernels = {w.path: w.numpy() for w in network.conditioning.weights}

    def half(name: str) -> np.ndarray:
        path = f"stage1_{name}_dense"
        x = embedding @ kernels[f"{path}/kernel"] + kernels[f"{path}/bias"]
        return np.where(x > 0, x, 0.2 * x)

    condition, mean, log_sigma = network.condition(embedding, noise)
    np.testing.assert_allclose(mean, half("mean"), atol=1e-6)
    np.testing.assert_allclose(log_sigma, half("log_sigma"), atol=1e-6)
    expected = half("mean") + np.exp(half("log_sigma")) * noise
    np.testing.assert_allclose(condition, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.condition(embedding)[0], mean)


@pytest.mark.parametrize("make", [stage_one, stage_two])
def test_each_input_counts(make: Any) -> None:
    """The embedding, the noise and what the stage starts from."""
    network = make()
    randomize(network)
    one = make is stage_one
    start = normal(2, 5) if one else images(16)

    def draw(
        embedding: float = 0.0, start_of: float = 0.0, noise: float = 0.0
    ) -> np.ndarray:
        e, s = normal(2, 6) + embedding, start + start_of
        arguments = (e, s) if one else (s, e)
        return np.asarray(network(*arguments, normal(2, 3, seed=2) + noise)[0])

    still = draw()
    for changed in (draw(embedding=0.5), draw(start_of=0.3), draw(noise=0.5)):
        assert np.abs(changed - still).max() > 1e-2


def test_a_discriminator_sees_the_text_everywhere() -> None:
    """What is joined is the same vector at each of the 4x4 pixels."""
    judge = StageOneDiscriminator(16, **SMALL)
    randomize(judge)
    probe = keras.Model(judge.body.input, judge.body.get_layer("text_tile").output)
    tiled = probe([images(16), normal(2, 6)]).numpy()
    assert tiled.shape == (2, 4, 4, 3)
    assert (tiled == tiled[:, :1, :1]).all()
    assert np.abs(tiled[0] - tiled[1]).max() > 1e-3
    image = images(16)
    a, b = judge(image, normal(2, 6)), judge(image, normal(2, 6, seed=1))
    assert np.abs(a - b).max() > 1e-3


def test_both_stages_in_a_row() -> None:
    network = stack()
    arguments = normal(2, 6), normal(2, 5), normal(2, 3, seed=1), normal(2, 3, seed=2)
    embedding, latent, first, second = arguments
    small, *_ = network.stage_one(embedding, latent, first)
    large, *_ = network.stage_two(small, embedding, second)
    assert np.std(large) > 0.1
    np.testing.assert_array_equal(network(*arguments), large)
    assert network.resolution == 64
    network.stages = 1
    np.testing.assert_array_equal(network(*arguments), small)
    assert network.resolution == 16
    assert StackGenerator.from_config(network.get_config()).stages == 1


def test_one_stage_alone() -> None:
    network = StackGenerator(stage_one())
    image, *_ = network.stage_one(normal(2, 6), normal(2, 5))
    np.testing.assert_array_equal(network(normal(2, 6), normal(2, 5)), image)
    with pytest.raises(ValueError, match=r"stages must be 1 to 1. Received: stages=2"):
        StackGenerator(stage_one(), stages=2)


@pytest.mark.parametrize("stages", [1, 2])
def test_functional_is_the_same_with_each_stages_noise(stages: int) -> None:
    network = stack(stages=stages)
    noises = ["noise_one", "noise_two"][:stages]
    given = {"embedding": normal(2, 6), "latent": normal(2, 5)}
    given |= {name: normal(2, 3, seed=i) for i, name in enumerate(noises)}
    functional = network.functional()
    assert list(functional.input) == list(given)
    expected = network(*given.values())
    np.testing.assert_allclose(functional(given), expected, atol=1e-6)
    for name in noises:
        other = functional(given | {name: np.zeros((2, 3), "float32")})
        assert np.abs(other - expected).max() > 1e-2
    plain = plain_keras.to_plain_keras(functional)
    np.testing.assert_allclose(plain(given), expected, atol=1e-5)
    shape = (None, network.resolution, network.resolution, 3)
    assert functional.output_shape == shape


def test_keras_file_with_its_text_encoder(tmp_path: Path) -> None:
    encoder = CharacterEncoder(6, length=8, filters=4, name="text_encoder")
    network = stack(text_encoder=encoder)
    network.save(tmp_path / "stack.keras")
    twin = keras.models.load_model(tmp_path / "stack.keras")
    caption = np.arange(16, dtype="int32").reshape(2, 8)
    embedding = encoder(caption)
    np.testing.assert_allclose(twin.text_encoder(caption), embedding, atol=1e-6)
    latent = normal(2, 5)
    expected = network(embedding, latent)
    np.testing.assert_allclose(twin(embedding, latent), expected, atol=1e-6)
    assert twin.get_config() == network.get_config()


def test_averages_of_normalisation_are_for_inference_alone() -> None:
    network = stack()
    before = [w.copy() for w in network.get_weights()]
    given = tf.constant(normal(4, 6)), tf.constant(normal(4, 5))
    still = network(*given).numpy()
    # A sample's image does not depend on the others of its batch.
    np.testing.assert_allclose(
        network(given[0][:1], given[1][:1]), still[:1], atol=1e-5
    )
    assert np.abs(network(*given, training=True) - still).max() > 1e-2
    moved = zip(network.weights, before, strict=True)
    names = {w.name for w, old in moved if np.abs(w.numpy() - old).max() > 1e-6}
    assert names == {"moving_mean", "moving_variance"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_resolution": 32}, "same resolution. Received: resolution=16 and 32"),
        ({"embedding_size": 7}, "same embedding_size.*embedding_size=6 and 7"),
        ({"condition_size": 4}, "same condition_size.*condition_size=3 and 4"),
        ({"channels": 1}, "same channels.*channels=3 and 1"),
    ],
)
def test_stages_go_together(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StackGenerator(stage_one(), stage_two(**options))


def test_the_text_encoder_goes_with_the_stages() -> None:
    with pytest.raises(ValueError, match="embedding_size=6 and 9"):
        StackGenerator(stage_one(), None, CharacterEncoder(9, length=8, filters=4))
