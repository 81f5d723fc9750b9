"""What ProGAN and StyleGAN share in training."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans, growing
from tests.growing import enter
from tfgan_models import losses
from tfgan_models.growing_gan import GrowingGAN

Make = Callable[..., GrowingGAN]
both = pytest.mark.parametrize("make", growing.MAKERS)
# What is the base's alone; StyleGAN's steps take twice as long.
either = pytest.mark.parametrize(
    "make", [growing.progan, pytest.param(growing.stylegan, marks=pytest.mark.slow)]
)


def faded(model: GrowingGAN, images: np.ndarray, seen: int) -> np.ndarray:
    model.images_seen.assign(seen)
    data = {"real": tf.constant(images), "label": tf.zeros([len(images)], tf.int32)}
    return model.batch(data)["real"].numpy()


def test_reals_are_faded_as_the_networks_are() -> None:
    """8 px fades in from image 16 to 26; alpha 0 is 2x2 means repeated."""
    schedule = growing.growth(first_resolution=4, stable_images=16, fade_images=10)
    model = enter(growing.progan(schedule=schedule), 2)
    images = growing.images(8, 8)
    means = growing.repeated(growing.pooled(images, 2), 2)
    np.testing.assert_allclose(faded(model, images, 16), means, atol=1e-6)
    np.testing.assert_allclose(faded(model, images, 26), images, atol=1e-6)
    np.testing.assert_allclose(faded(model, images, 99), images, atol=1e-6)
    images[0, :2, :2, 0] = [[1.0, 0.0], [-1.0, 0.4]]
    # The mean is 0.1, which 0.3 of the way go on to the pixel.
    expected = [[0.37, 0.07], [-0.23, 0.19]]
    np.testing.assert_allclose(faded(model, images, 19)[0, :2, :2, 0], expected, 1e-5)


@both
def test_reals_of_a_stable_phase_are_as_they_are(make: Make) -> None:
    model = enter(make(), 0)
    images = growing.images(8, 8)
    assert model.alpha() == 1.0
    np.testing.assert_array_equal(faded(model, images, 0), images)


def test_it_is_in_the_first_phase_before_it_is_compiled() -> None:
    compiled = growing.progan(schedule=growing.growth(resolution=32))
    model = type(compiled).from_config(compiled.get_config())
    assert model.alpha() == 1.0
    assert model.shrinkage() == 4.0
    np.testing.assert_array_equal(
        faded(model, growing.images(8, 8), 0), growing.images(8, 8)
    )


def test_labels_are_one_hot() -> None:
    model = growing.stylegan(label_size=3)
    data = {"real": tf.constant(growing.images(8, 8)), "label": tf.range(8) % 3}
    np.testing.assert_array_equal(
        model.batch(data)["labels"], np.eye(3)[[0, 1, 2] * 2 + [0, 1]]
    )
    assert "labels" not in growing.stylegan().batch(data)


@both
def test_the_phase_is_the_schedules(make: Make) -> None:
    schedule = growing.growth(
        batch_sizes={16: 4}, learning_rates={16: 0.002}, resolution=32
    )
    model = make(schedule=schedule)
    table = [
        # step, resolution, fading, batch, rate, grown
        (0, 8, False, 8, 0.001, 8),
        (2, 16, True, 4, 0.002, 8),
        (5, 16, True, 4, 0.002, 8),
        (6, 16, False, 4, 0.002, 16),
        (9, 16, False, 4, 0.002, 16),
        (99, 16, False, 4, 0.002, 16),
    ]
    for step, side, fading, batch, rate, grown in table:
        model.begin(step)
        phase = model.phase
        assert (phase.resolution, phase.is_fading) == (side, fading), step
        assert model.replica_batch == phase.batch_size == batch
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert model.generator.grown == grown
        assert model.exported_networks["generator"].grown == grown
    assert model.status()["resolution"] == 16


@either
def test_the_averages_half_life_is_in_images(make: Make) -> None:
    """Of 8 images: with batches of 8 half is kept a step, of 4 the root of it.

    At each new resolution it begins with less.
    """
    schedule = growing.growth(batch_sizes={16: 4}, resolution=16)
    model = make(schedule=schedule, ema_half_life=8.0)
    ema = model.ema_generators["generator"]
    expected = [v.numpy() for v in model.generator.trainable_variables]
    for step, decay in enumerate([1 / 10, 2 / 11, 1 / 10, 2 / 11]):
        before = model.generator.get_weights()
        growing.train(model, 1, first=step)
        assert growing.furthest(model.generator.get_weights(), before) > 1e-4
        weights = [v.numpy() for v in model.generator.trainable_variables]
        expected = [
            decay * e + (1 - decay) * w for e, w in zip(expected, weights, strict=True)
        ]
    assert not ema.trainable_variables
    fixed = {v.path for v in model.generator.non_trainable_variables}
    found = [v.numpy() for v in ema.variables if v.path not in fixed]
    growing.assert_close(found, expected, atol=1e-6)
    assert growing.furthest(found, weights) > 1e-4


@pytest.mark.parametrize(
    ("make", "batch_size"),
    [
        (growing.progan, 16),
        (growing.stylegan, 8),
        pytest.param(growing.progan, 8, marks=pytest.mark.slow),
        pytest.param(growing.stylegan, 16, marks=pytest.mark.slow),
    ],
)
def test_micro_batches_change_nothing(make: Make, batch_size: int) -> None:
    """Minibatch standard deviations and labels among it."""
    options = {
        "schedule": growing.growth(batch_size=batch_size, stable_images=32),
        "optimizer": growing.proportional,
        "label_size": 2,
        "dtype": "float64",
    }
    whole, parts = make(**options), make(**options, micro_batch=4)
    start = growing.state(whole)
    for model in (whole, parts):
        model.seen = growing.train(model, 2)
        enter(model, 32 // batch_size)
        growing.train(model, 1, first=32 // batch_size)
    gans.assert_moved_alike(growing.state(parts), growing.state(whole), start)
    assert growing.furthest(growing.state(whole), start) > 1e-4
    for name, values in whole.seen.items():
        np.testing.assert_allclose(parts.seen[name], values, rtol=1e-5, atol=1e-6)


def test_parts_of_another_grouping_would_not_be_the_same() -> None:
    """Were micro batches consecutive samples, the weights would differ."""
    options = {"optimizer": growing.proportional}
    whole, parts = growing.progan(**options), growing.progan(**options)
    parts.micro_batch = 4
    parts.discriminator.group_size = 1  # has `cut` take samples as they follow
    for model in (whole, parts):
        growing.train(model, 2)
    assert growing.furthest(growing.state(parts), growing.state(whole)) > 1e-5


@either
def test_a_bad_image_skips_the_discriminators_step_and_is_counted(make: Make) -> None:
    model = make(augment="ada", ada_speed=100.0)
    growing.train(model, 1)
    before = growing.weights(model.discriminator)
    data = growing.batch(model)
    spoiled = data["real"].numpy()
    spoiled[3, 2, 2, 1] = np.inf
    logs = model.train_step(data | {"real": tf.constant(spoiled)})
    for old, new in zip(before, growing.weights(model.discriminator), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.status()["skipped_steps"] == 1
    assert int(model.step) == 2
    assert int(model.images_seen) == 16
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert all(np.isfinite(w).all() for w in growing.state(model))

    seen = growing.train(model, 3, first=2)
    assert all(np.isfinite(values).all() for values in seen.values())
    assert model.status()["skipped_steps"] == 1
    assert growing.furthest(growing.weights(model.discriminator), before) > 1e-4


@either
def test_a_bad_generator_skips_both_steps(make: Make) -> None:
    model = make()
    growing.train(model, 1)
    model.generator.trainable_variables[0].assign(
        np.nan * model.generator.trainable_variables[0]
    )
    discriminator = growing.weights(model.discriminator)
    growing.train(model, 1, first=1)
    for old, new in zip(
        discriminator, growing.weights(model.discriminator), strict=True
    ):
        np.testing.assert_array_equal(old, new)
    assert model.status()["skipped_steps"] == 2
    assert int(model.generator_optimizer.iterations) == 1


@either
def test_the_optimizers_forget_where_a_phase_begins(make: Make) -> None:
    model = make()
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    growing.train(model, 1)
    kept = [[v.numpy() for v in o._velocities] for o in optimizers]
    assert all(max(np.abs(v).max() for v in moments) > 0 for moments in kept)
    model.train_function = "traced"
    model.begin(1)
    assert model.train_function == "traced"
    for optimizer, moments in zip(optimizers, kept, strict=True):
        for variable, value in zip(optimizer._velocities, moments, strict=True):
            np.testing.assert_array_equal(variable, value)
        assert int(optimizer.iterations) == 1
    model.begin(2)
    assert model.train_function is None
    for optimizer in optimizers:
        assert all(not np.any(v.numpy()) for v in optimizer._velocities)
        assert int(optimizer.iterations) == 0


@both
def test_blocks_above_the_present_resolution_stay(make: Make) -> None:
    model = make()
    before = {v.path: v.numpy() for v in model.discriminator.variables}
    growing.train(model, 2)
    after = {v.path: v.numpy() for v in model.discriminator.variables}
    stayed = {p for p, value in after.items() if np.array_equal(value, before[p])}
    # Nor does the entry for 4 px take part.
    assert stayed == {p for p in before if "_16/" in p or "from_rgb_4/" in p}
    stayed = {p for p in stayed if "_16/" in p}
    growing.train(model, 1, first=2)
    faded = {v.path: v.numpy() for v in model.discriminator.variables}
    moved = {p for p in stayed if not np.array_equal(faded[p], after[p])}
    # At alpha 0 the new block has no influence and so no gradient.
    assert not moved
    growing.train(model, 1, first=3)
    last = {v.path: v.numpy() for v in model.discriminator.variables}
    assert {p for p in stayed if not np.array_equal(last[p], faded[p])} == stayed


@either
def test_adas_probability_moves_and_is_saved(make: Make) -> None:
    schedule = growing.growth(stable_images=64, total_images=64)
    options = {"schedule": schedule, "augment": "ada", "ada_speed": 320.0}
    model = make(**options, ada_target=-1.5)
    growing.train(model, 5)
    # After 4 steps: 32 images of the 320 that lead from 0 to 1.
    assert model.status()["ada_probability"] == pytest.approx(0.1)
    assert make(**options).status()["ada_probability"] == 0.0
    assert model.training_state()["ada_probability"] is model.ada_probability
    assert "ada_probability" not in make().training_state()


@both
def test_augmented_are_reals_and_fakes_of_both_steps(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(augment="diffaug")
    shown: list[np.ndarray] = []
    original = model.augmented

    def spy(images: tf.Tensor, batch: Any, which: int) -> tf.Tensor:
        result = original(images, batch, which)
        shown.append(np.abs(result - images).max())
        return result

    monkeypatch.setattr(model, "augmented", spy)
    model.train_step(growing.batch(model))
    assert len(shown) == 3
    assert min(shown) > 0.01


@either
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_with_float32_weights(make: Make, policy: str) -> None:
    model = make(dtype=policy, optimizer=growing.adam)
    before = growing.state(model)
    seen = growing.train(model, 3)
    assert all(np.isfinite(values).all() for values in seen.values())
    after = growing.state(model)
    assert all(w.dtype == np.float32 and np.isfinite(w).all() for w in after)
    scaled = isinstance(model.generator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    assert growing.furthest(before, after) > 1e-4
    rate = float(model.discriminator_optimizer.learning_rate)
    assert rate == pytest.approx(0.001)
    assert np.isfinite(model.status()["skipped_steps"])


@both
def test_survives_serialisation(make: Make) -> None:
    schedule = growing.growth(batch_sizes={16: 4}, learning_rates={8: 0.5})
    model = make(
        seed=4, schedule=schedule, label_size=2, ema_half_life=7.0, micro_batch=4,
        augment="ada", ada_target=0.5, ada_speed=9.0,
    )  # fmt: skip
    model.begin(2)
    config = keras.saving.serialize_keras_object(model)
    twin = keras.saving.deserialize_keras_object(config)
    assert type(twin) is type(model)
    assert twin.get_config() == model.get_config()
    assert twin.schedule == schedule
    assert twin.generator.grown == 8
    shared = inspect.signature(GrowingGAN.__init__).parameters
    own = inspect.signature(type(model).__init__).parameters
    expected = (set(shared) | set(own)) - {"self", "kwargs"} | {"name", "seed"}
    assert set(model.get_config()) == expected
    name = f"tfgan_models>{type(model).__name__}"
    assert keras.saving.get_registered_name(type(model)) == name


@both
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"augment": "some"}, "augment must be one of .*Received: augment='some'"),
        ({"ema_half_life": 0.0}, "ema_half_life=0.0"),
        ({"micro_batch": -1}, "micro_batch=-1"),
        ({"micro_batch": 3}, "multiple of micro_batch=3.*batch of 8"),
        ({"schedule": growing.growth(batch_size=6)}, "group of 4.*batch of 6"),
    ],
)
def test_refuses_what_does_not_go_together(
    make: Make, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**wrong)


def test_stylegan_starts_at_8() -> None:
    with pytest.raises(ValueError, match=r"starts at 8 px.*Received: .*=4"):
        growing.stylegan(schedule=growing.growth(first_resolution=4))


def test_networks_have_the_schedules_resolution() -> None:
    model = growing.progan()
    with pytest.raises(ValueError, match="Received: 16 and 32"):
        type(model)(model.generator, model.discriminator, growing.growth(resolution=32))


# Of what the discriminator says of a real and of a fake image.
CLOSED_FORMS = {
    "minimax": (lambda r, f: softplus(-r) + softplus(f), lambda f: -softplus(f)),
    "non_saturating": (
        lambda r, f: softplus(-r) + softplus(f),
        lambda f: softplus(-f),
    ),
    "lsgan": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda f: (f - 1) ** 2),
    "hinge": (
        lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f),
        lambda f: -f,
    ),
    "wgan_gp": (lambda r, f: f - r, lambda f: -f),
}


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def test_the_losses_are_those_that_can_be_named() -> None:
    assert CLOSED_FORMS.keys() == losses.ADVERSARIAL.keys()


@pytest.mark.parametrize("name", CLOSED_FORMS)
@either
def test_every_loss_trains(make: Make, name: str) -> None:
    model, twin = (make(loss=name) for _ in range(2))
    data = growing.batch(model)

    def judge(images: tf.Tensor) -> np.ndarray:
        scores = twin.discriminator(images)
        return np.asarray(scores[0] if isinstance(scores, tuple) else scores)

    def fakes(part: int) -> tf.Tensor:
        drawn = twin._generate(twin.draws(part))
        return drawn[0] if isinstance(drawn, tuple) else drawn

    before = growing.weights(model.discriminator)
    logs = model.train_step(data)
    d_loss, g_loss = CLOSED_FORMS[name]
    expected = d_loss(judge(data["real"]), judge(fakes(0))).mean()
    assert float(logs["d_loss"]) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    # The generator is judged by the discriminator after its step.
    twin.discriminator.set_weights(model.discriminator.get_weights())
    assert float(logs["g_loss"]) == pytest.approx(
        g_loss(judge(fakes(1))).mean(), rel=1e-4, abs=1e-6
    )
    assert (float(logs["penalty"]) > 0) == (name == "wgan_gp")
    assert growing.furthest(before, growing.weights(model.discriminator)) > 1e-5
    assert type(model).from_config(model.get_config()).loss_name == name


@pytest.mark.parametrize("make", growing.MAKERS)
def test_refuses_an_unknown_loss(make: Make) -> None:
    with pytest.raises(ValueError, match=r"one of minimax.*'logistic'"):
        make(loss="logistic")
