"""StyleGAN's discriminator for export, and options that other projects need."""

from typing import Any

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from tests.export.generators import assert_nearly_equal, latents, style
from tests.networks.conformance import randomize
from tests.networks.examples import images, noise
from tfgan_models import networks
from tfgan_models.errors import UsageError


def discriminator(**options: Any) -> networks.StyleDiscriminator:
    """A StyleDiscriminator of 16 px with random weights."""
    network = networks.StyleDiscriminator(16, fmap_base=64, fmap_max=16, **options)
    randomize(network)
    return network


def judged(label_size: int, count: int = 5) -> dict[str, np.ndarray]:
    """Returns the inputs of a functional discriminator, by name."""
    contrast = np.linspace(0.2, 1, count, dtype="float32").reshape(-1, 1, 1, 1)
    inputs = {"image": images(16, batch=count) * contrast}
    if label_size:
        inputs["labels"] = np.eye(label_size, dtype="float32")[
            np.arange(count) % label_size
        ]
    return inputs


@pytest.mark.parametrize("label_size", [0, 3])
def test_a_functional_discriminator_judges_each_image_by_itself(
    label_size: int,
) -> None:
    network = discriminator(label_size=label_size)
    inputs = judged(label_size)
    alone = np.concatenate(
        [
            network(*[x[i : i + 1] for x in inputs.values()]).numpy()
            for i in range(len(inputs["image"]))
        ]
    )
    together = network(*[x[:4] for x in inputs.values()]).numpy()
    assert np.abs(together - alone[:4]).max() > 1e-3
    functional = network.functional()
    twin = to_plain_keras(functional)
    assert "tfgan_models" not in twin.to_json()
    for model in (functional, twin):
        assert set(model.input) == set(inputs)
        assert model.get_layer("score").output is model.outputs[0]
        answer = model(inputs)
        assert answer.shape == (5, 1)
        assert keras.backend.standardize_dtype(answer.dtype) == "float32"
        assert_nearly_equal(np.asarray(answer), alone)


def test_a_half_precision_discriminator_becomes_float32() -> None:
    plain = discriminator()
    half = networks.StyleDiscriminator.from_config(
        plain.get_config() | {"dtype": "mixed_bfloat16"}
    )
    half.set_weights(plain.get_weights())
    twin = to_plain_keras(half.functional())
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    inputs = judged(0)
    expected = plain.functional()(inputs).numpy()
    assert_nearly_equal(np.asarray(twin(inputs)), expected)


def test_a_group_of_images_cannot_be_exported() -> None:
    network = discriminator()
    image = keras.Input((16, 16, 3), name="image")
    grouped = keras.Model(image, network.body(image))
    with pytest.raises(UsageError, match="compares each 4 images of a batch"):
        to_plain_keras(grouped)


def test_where_the_bias_of_a_doubling_convolution_is_added() -> None:
    before, after = style(resolution=16, bias_before_blur=True), style(resolution=16)
    z, maps = latents(2), noise(after.synthesis)
    changed = before(z, noise=maps).numpy() - after(z, noise=maps).numpy()
    assert np.abs(changed).max() > 0.01
    for network in (before, after):
        for bias in network.synthesis.biases[2::2]:
            bias.bias.assign(np.zeros(bias.bias.shape))
    expected = after(z, noise=maps).numpy()
    assert_nearly_equal(before(z, noise=maps).numpy(), expected)


def test_a_bias_before_the_blur_is_darker_at_the_border() -> None:
    network = style(resolution=8, bias_before_blur=True)
    synthesis, seen = network.synthesis, []
    for conv in synthesis.convs:
        conv.kernel.assign(np.zeros(conv.kernel.shape))
    blur = synthesis.blur.call
    synthesis.blur.call = lambda x: seen.append(blur(x)) or seen[-1]
    network(latents(1))
    bias = synthesis.biases[2].bias.numpy()
    np.testing.assert_allclose(seen[0][0, 4, 4], bias, rtol=1e-5)
    np.testing.assert_allclose(seen[0][0, 0, 0], bias * 9 / 16, rtol=1e-5)


def test_the_epsilon_of_the_normalisation() -> None:
    network = style(norm_epsilon=0.5)
    assert {adain.epsilon for adain in network.synthesis.adains} == {0.5}
    z, maps = latents(2), noise(network.synthesis)
    changed = network(z, noise=maps).numpy() - style()(z, noise=maps).numpy()
    assert np.abs(changed).max() > 0.01
