"""StackGAN's training steps against its paper."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tests.gans import cross_entropy
from tests.stackgans import (
    FIRST,
    RATE,
    SMALL,
    at,
    one_batch,
    stackgan,
)
from tfgan_models import text_matching
from tfgan_models.networks import ImageEncoder, StageOneDiscriminator
from tfgan_models.sampling import truncated_normal
from tfgan_models.stackgan import StackGAN


def descend(tape: tf.GradientTape, loss: tf.Tensor, network: keras.Model) -> None:
    variables = network.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, variables), strict=True
    ):
        variable.assign_sub(RATE * tf.convert_to_tensor(gradient))


def by_hand(
    generator: keras.Model,
    inputs: tuple[Any, ...],
    discriminator: keras.Model,
    data: dict[str, tf.Tensor],
    kl_weight: float = 2.0,
) -> dict[str, float]:
    """A D step and a G step of section 3.3 and of the published code's losses."""
    text = data["embedding"]
    with tf.GradientTape() as generator_tape:
        fake, mean, log_sigma = generator(*inputs, training=True)
    with tf.GradientTape() as tape:
        real = discriminator(data["real"], text, training=True)
        wrong = discriminator(data["wrong"], text, training=True)
        judged = discriminator(fake, text, training=True)
        d_loss = cross_entropy(real, 1.0)
        d_loss += (cross_entropy(wrong, 0.0) + cross_entropy(judged, 0.0)) / 2
    descend(tape, d_loss, discriminator)
    with generator_tape:
        gan = cross_entropy(discriminator(fake, text, training=True), 1.0)
        kl = -log_sigma + 0.5 * (-1 + tf.exp(2 * log_sigma) + mean**2)
        kl = tf.reduce_mean(kl)
        g_loss = gan + kl_weight * kl
    descend(generator_tape, g_loss, generator)
    losses = {"g_loss": g_loss, "gan": gan, "kl": kl, "d_loss": d_loss}
    return {name: float(value) for name, value in losses.items()}


def draws(model: StackGAN) -> list[tf.Tensor]:
    """What a step draws for a batch of 4: latent, and the noise of both stages."""
    latent = model.draw_samples(0, 4, 5)
    uniform = [model.draw_samples(i, 4, 3, distribution="uniform") for i in (1, 2)]
    return [latent, *map(truncated_normal, uniform)]


def furthest(network: keras.Model, before: list[np.ndarray]) -> float:
    pairs = zip(network.get_weights(), before, strict=True)
    return max(float(np.abs(now - old).max()) for now, old in pairs)


def assert_step(model: StackGAN, twin: StackGAN, expected: dict[str, float]) -> None:
    """Asserts that a step of `model` is what was done to `twin` by hand."""
    start = gans.weights(model)
    logs = {name: float(v) for name, v in model.train_step(one_batch()).items()}
    assert logs == pytest.approx(expected, rel=1e-5)
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), start)


def test_a_step_of_stage_one_is_the_papers() -> None:
    model, twin = (stackgan(dtype="float64") for _ in range(2))
    data = one_batch()
    embedding = data["embedding"]
    # Means of 2 x 2 pixels.
    small = {
        key: tf.reduce_mean(tf.reshape(data[key], [4, 16, 2, 16, 2, 3]), [2, 4])
        for key in ("real", "wrong")
    }
    latent, noise, _ = draws(model)
    one, judge = twin.generator.stage_one, twin.stage_one_discriminator
    before = one.get_weights(), judge.get_weights()
    expected = by_hand(one, (embedding, latent, noise), judge, data | small)
    assert_step(model, twin, expected)
    for network, old in zip((one, judge), before, strict=True):
        assert furthest(network, old) > 1e-3


@pytest.mark.numerics
def test_a_step_of_stage_two_is_the_papers() -> None:
    """The image of stage one is drawn as at inference; stage one stands still."""
    model, twin = (at(FIRST, dtype="float64") for _ in range(2))
    data = one_batch()
    embedding = data["embedding"]
    latent, first, second = draws(model)
    one, two = twin.generator.stage_one, twin.generator.stage_two
    small, *_ = one(embedding, latent, first, training=False)
    judge = twin.stage_two_discriminator
    still = one.get_weights(), twin.stage_one_discriminator.get_weights()
    before = two.get_weights()
    expected = by_hand(two, (small, embedding, second), judge, data)
    assert_step(model, twin, expected)
    assert furthest(model.generator.stage_two, before) > 1e-3
    assert furthest(model.generator.stage_one, still[0]) == 0.0
    assert furthest(model.stage_one_discriminator, still[1]) == 0.0


def test_a_step_of_stage_one_leaves_stage_two_alone() -> None:
    model = stackgan()
    two, judge = model.generator.stage_two, model.stage_two_discriminator
    before = two.get_weights(), judge.get_weights()
    model.train_step(one_batch())
    assert furthest(two, before[0]) == furthest(judge, before[1]) == 0.0


def test_a_step_of_matching() -> None:
    model, twin = (stackgan(text=True, dtype="float64") for _ in range(2))
    data = one_batch(size=16, text=True)
    text, image = twin.generator.text_encoder, twin.image_encoder
    with tf.GradientTape(persistent=True) as tape:
        images = image(data["real"], training=True)
        loss = text_matching.matching_loss(images, text(data["caption"], training=True))
    descend(tape, loss, text)
    descend(tape, loss, image)
    before = gans.weights(model)
    logs = model.train_step(data)
    assert float(logs["matching"]) == pytest.approx(float(loss), rel=1e-5)
    assert {float(v) for name, v in logs.items() if name != "matching"} == {0.0}
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), before)
    pairs = zip(gans.weights(model), before, strict=True)
    assert max(np.abs(now - old).max() for now, old in pairs) > 1e-4


@pytest.mark.parametrize("step", [2, 2 + FIRST])
def test_the_text_encoder_gives_the_embedding_and_stands_still(step: int) -> None:
    model, twin = (at(step, text=True, dtype="float64") for _ in range(2))
    data = one_batch(text=True)
    embedding = twin.generator.text_encoder(data["caption"])
    twin.generator.text_encoder = None
    before = [
        network.get_weights()
        for network in (model.generator.text_encoder, model.image_encoder)
    ]
    logs = model.train_step(data)
    expected = twin.train_step(data | {"embedding": embedding})
    assert {k: float(v) for k, v in logs.items()} == pytest.approx(
        {k: float(v) for k, v in expected.items()}, rel=1e-5
    )
    assert furthest(model.generator.text_encoder, before[0]) == 0.0
    assert furthest(model.image_encoder, before[1]) == 0.0


def test_the_divergence_has_a_weight() -> None:
    """2, as published, and of a mean over batch and dimensions."""
    for weight, options in ((2.0, {}), (5.0, {"kl_weight": 5.0})):
        model = stackgan(**options)
        mean, log_sigma = (
            np.asarray(x)
            for x in model.generator.stage_one.conditioning(one_batch()["embedding"])
        )
        expected = 0.5 * (np.exp(2 * log_sigma) + mean**2 - 1) - log_sigma
        logs = {k: float(v) for k, v in model.train_step(one_batch()).items()}
        assert logs["kl"] == pytest.approx(expected.sum() / (4 * 3), rel=1e-5)
        total = logs["gan"] + weight * logs["kl"]
        assert logs["g_loss"] == pytest.approx(total, rel=1e-5)


def test_images_may_come_at_the_stages_own_size() -> None:
    large, small = (stackgan(dtype="float64") for _ in range(2))
    start = gans.weights(large)
    data = one_batch()
    pooled = {k: tf.nn.avg_pool2d(data[k], 2, 2, "VALID") for k in ("real", "wrong")}
    large.train_step(data)
    small.train_step(data | pooled)
    gans.assert_moved_alike(gans.weights(large), gans.weights(small), start)


def test_images_of_a_size_that_does_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"multiple of the resolution 32.*of 48 px"):
        at(FIRST).train_step(one_batch(size=48))


def test_noise_is_of_a_seed_a_step_and_a_stage() -> None:
    model = stackgan()
    latent, first, second = draws(model)
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(draws(stackgan())[0], latent)
    assert np.abs(draws(stackgan(seed=1))[1] - first).max() > 0.1
    model.step.assign_add(1)
    assert np.abs(draws(model)[1] - first).max() > 0.1


@pytest.fixture(scope="module")
def built() -> StackGAN:
    """A model, built once."""
    return stackgan()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"first_stage_steps": 0}, "Received: .*first_stage_steps=0"),
        ({"kl_weight": -1.0}, "Received: .*kl_weight=-1.0"),
        ({"matching_steps": -1}, "Received: matching_steps=-1"),
        ({"matching_steps": 3}, "matching_steps=3, text_encoder=None"),
        ({"image_encoder": ImageEncoder(6, 16, 4)}, "Received: matching_steps=0"),
        ({"ema_decay": 1.0}, "ema_decay must be in"),
        (
            {"stage_one_discriminator": StageOneDiscriminator(32, **SMALL)},
            "stage one do not match. Received: .*: 16.* and .*: 32",
        ),
        ({"stage_two_discriminator": None}, "stage two do not match.* and None"),
    ],
)
def test_refuses_what_cannot_be(
    built: StackGAN, wrong: dict[str, Any], message: str
) -> None:
    arguments = {
        "generator": built.generator,
        "stage_one_discriminator": built.stage_one_discriminator,
        "stage_two_discriminator": built.stage_two_discriminator,
        "first_stage_steps": 1,
    }
    with pytest.raises(ValueError, match=message):
        StackGAN(**arguments | wrong)
