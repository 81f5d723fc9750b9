"""ProGAN's training step against its paper."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import gans, growing
from tests.growing import enter
from tfgan_models.progan import ProGAN

WEIGHTS = {"gp_weight": 7.0, "drift_weight": 0.3, "label_weight": 0.6}


def cross_entropy(labels: Any, logits: Any) -> Any:
    chances = tf.reduce_sum(labels * tf.nn.softmax(logits), axis=1)
    return -tf.reduce_mean(tf.math.log(chances))


def manual_step(model: ProGAN, data: dict[str, tf.Tensor]) -> dict[str, float]:
    """D's step, then G's on new latents, from the papers' formulas.

    The penalty (arXiv:1704.00028) is taken as the original does: with respect to
    full-size images of repeated pixels, which D is shown through averaging.
    """
    g, d, factor = model.generator, model.discriminator, 16 // model.phase.resolution
    batch = model.batch(data)
    labels, real = batch.get("labels"), batch["real"]
    options = {"resolution": model.phase.resolution, "alpha": model.alpha()}

    def score(images: Any) -> Any:
        return d(images, alpha=model.alpha())

    drawn = model.draws(0)
    fake = g(drawn["latent"], labels=labels, **options)
    places = drawn["between"].numpy().reshape(-1, 1, 1, 1)
    large = growing.repeated((1 - places) * real + places * fake, factor)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(large)
            total = tf.reduce_sum(score(growing.pooled(large, factor))[0])
        slope = inner.gradient(total, large)
        norm = tf.sqrt(tf.reduce_sum(slope**2, axis=[1, 2, 3]))
        penalty = tf.reduce_mean((norm - 1.0) ** 2)
        real_scores, real_logits = score(real)
        fake_scores, fake_logits = score(fake)
        drift = tf.reduce_mean(real_scores**2)
        d_loss = tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)
        whole = d_loss + 7.0 * penalty + 0.3 * drift
        if labels is not None:
            whole += 0.6 * cross_entropy(labels, real_logits)
            whole += 0.6 * cross_entropy(labels, fake_logits)
    step(d, outer.gradient(whole, d.trainable_variables))

    drawn = model.draws(1)
    with tf.GradientTape() as tape:
        scores, logits = score(g(drawn["latent"], labels=labels, **options))
        g_loss = whole = -tf.reduce_mean(scores)
        if labels is not None:
            whole = g_loss + 0.6 * cross_entropy(labels, logits)
    step(g, tape.gradient(whole, g.trainable_variables))
    return {
        "d_loss": float(d_loss),
        "penalty": float(penalty),
        "drift": float(drift),
        "g_loss": float(g_loss),
        "real_sign": float(tf.reduce_mean(tf.sign(real_scores))),
        "fake_sign": float(tf.reduce_mean(tf.sign(fake_scores))),
    }


def step(network: Any, gradients: Any) -> None:
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        if gradient is not None:
            moved = growing.first_adam_step(variable.numpy(), gradient)
            variable.assign(moved)


@pytest.mark.parametrize("label_size", [0, 3])
@pytest.mark.parametrize("first", [0, 3])
def test_one_step_is_the_papers(first: int, label_size: int) -> None:
    """At 8 px of 16, and while 16 px is faded in."""
    options = {
        "label_size": label_size,
        "optimizer": growing.proportional,
        "dtype": "float64",
    }
    model = enter(growing.progan(**options, **WEIGHTS), first)
    twin = enter(growing.progan(**options), first)
    before = growing.weights(twin.generator, twin.discriminator)
    data = growing.batch(model)
    expected = manual_step(twin, data)
    logs = model.train_step(data)
    assert set(logs) == set(expected)
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5, abs=1e-6), name
    ours = growing.weights(model.generator, model.discriminator)
    theirs = growing.weights(twin.generator, twin.discriminator)
    gans.assert_moved_alike(ours, theirs, before)
    assert growing.furthest(before, theirs) > 5e-5


def test_the_generator_is_judged_by_the_discriminator_after_its_step() -> None:
    """A discriminator that learns nothing gives another generator loss."""
    learning, dull = growing.progan(), growing.progan()
    dull.discriminator_optimizer.learning_rate = 1e-30
    data = growing.batch(learning)
    one, two = (m.train_step(data) for m in (learning, dull))
    assert float(one["d_loss"]) == pytest.approx(float(two["d_loss"]), rel=1e-6)
    assert abs(float(one["g_loss"]) - float(two["g_loss"])) > 1e-4


def test_it_starts_at_4() -> None:
    schedule = growing.growth(first_resolution=4, total_images=80)
    model = growing.progan(schedule=schedule)
    sides = []
    for number in range(model.phases[-1].end_step):
        growing.train(model, 1, first=number)
        sides.append(model.phase.resolution)
    assert sides == [4, 4, 8, 8, 8, 8, 16, 16, 16, 16]
    assert int(model.images_seen) == 80
    assert model.status()["alpha"] == 1.0


def test_classes_are_learned_by_discriminator_and_generator() -> None:
    """Without the label loss the class logits' weights have no gradient."""
    score = {}
    for weight in (0.0, 1.0):
        model = growing.progan(label_size=3, label_weight=weight)
        kernel = model.discriminator.score.kernel
        before = kernel.numpy()
        growing.train(model, 1)
        score[weight] = np.abs(kernel.numpy() - before).max(axis=0)
    assert np.all(score[0.0][1:] == 0)
    assert np.all(score[1.0] > 1e-4)


def test_other_labels_train_otherwise() -> None:
    one, two = growing.progan(label_size=3), growing.progan(label_size=3)
    data = growing.batch(one)
    one.train_step(data)
    two.train_step(data | {"label": (data["label"] + 1) % 3})
    difference = growing.furthest(growing.state(one), growing.state(two))
    assert difference > 1e-4


def test_calls_draw_images() -> None:
    model = growing.progan()
    latent = tf.constant(np.ones([2, growing.LATENT], "float32"))
    np.testing.assert_array_equal(model(latent), model.generator(latent))
    assert model(latent).shape == (2, 8, 8, 3)


@pytest.mark.parametrize("name", WEIGHTS)
def test_refuses_impossible_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=-1"):
        growing.progan(**{name: -1.0})
