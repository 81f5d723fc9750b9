"""StyleGAN's training step against its paper."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import gans, growing
from tests.growing import enter
from tfgan_models.stylegan import StyleGAN

GAMMA = 7.0


def styles(model: StyleGAN, drawn: dict[str, Any], labels: Any) -> tuple[Any, Any]:
    """Images of drawn latents, with style mixing written out layer for layer."""
    generator = model.generator
    w = generator.mapping(drawn["latent"], labels=labels)
    other = generator.mapping(drawn["mixed_latent"], labels=labels)
    cutoff = int(drawn["cutoff"][0])
    layers = range(generator.synthesis.num_layers)
    ws = tf.stack([w if i < cutoff else other for i in layers], axis=1)
    side = model.phase.resolution
    images = generator.synthesis(
        ws, noise=drawn["noise"], resolution=side, alpha=model.alpha()
    )
    return images, w


def manual_step(model: StyleGAN, data: dict[str, tf.Tensor]) -> dict[str, float]:
    """D's step, then G's on new latents, from the papers' formulas.

    R1 (arXiv:1801.04406) is taken as the original does: with respect to full-size
    images of repeated pixels, which D is shown through averaging.
    """
    d, factor = model.discriminator, 16 // model.phase.resolution
    alpha = model.alpha()
    batch = model.batch(data)
    labels = batch.get("labels")

    def score(images: Any) -> Any:
        return d(images, labels=labels, alpha=alpha)

    drawn = model.draws(0)
    fake, w = styles(model, drawn, labels)
    track(model, w)
    large = growing.repeated(batch["real"], factor)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(large)
            real_scores = score(growing.pooled(large, factor))
            total = tf.reduce_sum(real_scores)
        slope = inner.gradient(total, large)
        r1 = tf.reduce_mean(tf.reduce_sum(slope**2, axis=[1, 2, 3]))
        d_loss = -tf.reduce_mean(tf.math.log_sigmoid(real_scores))
        d_loss -= tf.reduce_mean(tf.math.log_sigmoid(-score(fake)))
        whole = d_loss + GAMMA / 2 * r1
    step(d, outer.gradient(whole, d.trainable_variables))

    drawn = model.draws(1)
    with tf.GradientTape() as tape:
        fake, w = styles(model, drawn, labels)
        g_loss = -tf.reduce_mean(tf.math.log_sigmoid(score(fake)))
    g = model.generator
    step(g, tape.gradient(g_loss, g.trainable_variables))
    track(model, w)
    return {"d_loss": float(d_loss), "r1": float(r1), "g_loss": float(g_loss)}


def track(model: StyleGAN, w: Any) -> None:
    """The average w follows in both parts of a step, as in the original."""
    g = model.generator
    g.w_avg.assign(0.995 * g.w_avg.numpy() + 0.005 * np.mean(w, axis=0))


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
    model = enter(growing.stylegan(**options, r1_gamma=GAMMA), first)
    twin = enter(growing.stylegan(**options), first)
    before = growing.weights(twin.generator, twin.discriminator)
    data = growing.batch(model)
    expected = manual_step(twin, data)
    logs = model.train_step(data)
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(value, rel=1e-5), name
    ours = growing.weights(model.generator, model.discriminator)
    theirs = growing.weights(twin.generator, twin.discriminator)
    gans.assert_moved_alike(ours, theirs, before)
    assert growing.furthest(before, theirs) > 5e-5


def test_the_generator_is_judged_by_the_discriminator_after_its_step() -> None:
    """A discriminator that learns nothing gives another generator loss."""
    learning, dull = growing.stylegan(), growing.stylegan()
    dull.discriminator_optimizer.learning_rate = 1e-30
    data = growing.batch(learning)
    one, two = (m.train_step(data) for m in (learning, dull))
    assert float(one["d_loss"]) == pytest.approx(float(two["d_loss"]), rel=1e-6)
    assert abs(float(one["g_loss"]) - float(two["g_loss"])) > 1e-4


def test_signs_are_the_discriminators_mean_verdict() -> None:
    model = growing.stylegan()
    data = growing.batch(model)
    real = np.sign(model.discriminator(data["real"]))
    fake = np.sign(model.discriminator(styles(model, model.draws(0), None)[0]))
    logs = model.train_step(data)
    assert float(logs["real_sign"]) == pytest.approx(real.mean())
    assert float(logs["fake_sign"]) == pytest.approx(fake.mean())


def test_the_average_w_by_hand() -> None:
    """With w = (2, 2, 2, 2) for all latents, and weights that stay."""
    model = growing.stylegan()
    mapping = model.generator.mapping
    for dense in mapping.denses:
        dense.kernel.assign(np.zeros(dense.kernel.shape))
    mapping.denses[-1].bias.assign(np.full([4], 2.0 / mapping.lr_multiplier))
    model.generator.w_avg.assign(np.zeros([4]))
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        optimizer.learning_rate = 1e-30
    table = [0.01995, 0.03970050, 0.05925349]  # 2 (1 - 0.995^2n)
    ema = model.ema_generators["generator"]
    for expected in table:
        model.train_step(growing.batch(model))
        np.testing.assert_allclose(model.generator.w_avg, [expected] * 4, rtol=1e-4)
        # An average itself: copied, not averaged once more.
        np.testing.assert_array_equal(ema.w_avg, model.generator.w_avg)


def test_style_mixing() -> None:
    """One place for the batch, among the layers in use; in 9 of 10 steps."""
    schedule = growing.growth(resolution=32, total_images=200)
    model = growing.stylegan(schedule=schedule)

    @tf.function(autograph=False)
    def draw() -> tf.Tensor:
        return model.draws(0)["cutoff"]

    drawn = []
    for number in range(600):
        model.step.assign(number)
        cutoff = draw().numpy()
        assert cutoff.shape == (8,)
        assert len(set(cutoff)) == 1
        drawn.append(cutoff[0])
    # 4 style layers at 8 px: mixing starts at layer 1, 2 or 3, or not at all.
    counts = np.bincount(drawn, minlength=5)
    assert counts[0] == 0
    assert len(counts) == 5
    assert counts[4] / 600 == pytest.approx(0.1, abs=0.04)
    np.testing.assert_allclose(counts[1:4] / 600, [0.3] * 3, atol=0.06)
    enter(model, 2)
    model.mixing_probability = 1.0
    cutoffs = set()
    for number in range(40):
        model.step.assign(number)
        cutoffs.add(int(model.draws(1)["cutoff"][0]))
    assert cutoffs == {1, 2, 3, 4, 5}  # 6 layers at 16 px, of 8
    model.mixing_probability = 0.0
    assert int(model.draws(1)["cutoff"][0]) == 6


def test_draws_differ_between_parts_steps_and_kinds() -> None:
    model = growing.stylegan()
    seen: set[bytes] = set()
    count = 0
    for number in range(2):
        model.step.assign(number)
        for part in (0, 1):
            drawn = model.draws(part)
            for tensor in (drawn["latent"], drawn["mixed_latent"], *drawn["noise"]):
                seen.add(tensor.numpy().tobytes())
                count += 1
    assert len(seen) == count == 2 * 2 * 6
    model.step.assign(0)
    np.testing.assert_array_equal(model.draws(0)["latent"], model.draws(0)["latent"])


def test_labels_reach_mapping_and_discriminator() -> None:
    model = growing.stylegan(label_size=3)
    reached: dict[str, np.ndarray] = {}

    def watch(network: Any, name: str) -> None:
        original = network.call

        def call(*args: Any, **kwargs: Any) -> Any:
            reached[name] = np.asarray(kwargs["labels"])
            return original(*args, **kwargs)

        network.call = call

    watch(model.generator.mapping, "mapping")
    watch(model.discriminator, "discriminator")
    embedding = model.generator.mapping.label_embedding.kernel
    before = embedding.numpy()
    data = growing.batch(model)
    model.train_step(data)
    wanted = np.eye(3)[data["label"]]
    np.testing.assert_array_equal(reached["mapping"], wanted)
    np.testing.assert_array_equal(reached["discriminator"], wanted)
    assert np.all(np.abs(embedding.numpy() - before).max(axis=1) > 1e-4)


def test_other_labels_train_otherwise() -> None:
    one, two = growing.stylegan(label_size=3), growing.stylegan(label_size=3)
    data = growing.batch(one)
    one.train_step(data)
    two.train_step(data | {"label": (data["label"] + 1) % 3})
    difference = growing.furthest(growing.state(one), growing.state(two))
    assert difference > 1e-4


def test_calls_draw_images() -> None:
    model = growing.stylegan()
    latent = tf.constant(np.ones([2, growing.LATENT], "float32"))
    np.testing.assert_array_equal(model(latent), model.generator(latent))
    assert model(latent).shape == (2, 8, 8, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"r1_gamma": -1.0}, {"mixing_probability": 1.5}, {"mixing_probability": -0.1}],
)
def test_refuses_impossible_numbers(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        growing.stylegan(**wrong)
