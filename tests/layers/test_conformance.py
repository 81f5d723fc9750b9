"""Every public layer keeps the promises of `tfgan_models.layers`."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.layers.conformance import CASES, Case, randomize
from tfgan_models import layers

each_layer = pytest.mark.parametrize("case", CASES, ids=str)


def directions(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Returns a random direction to move the arrays in."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=array.shape) for array in arrays]


def dot(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    return sum(float(np.sum(a * b)) for a, b in zip(first, second, strict=True))


def test_every_public_layer_has_a_case() -> None:
    assert {case.layer.__name__ for case in CASES} == set(layers.__all__)


@each_layer
def test_config_round_trip(case: Case) -> None:
    layer = case(name="round_trip", dtype="mixed_bfloat16")
    config = layer.get_config()
    assert config.items() >= case.config.items()
    twin = case.layer.from_config(config)
    assert twin.get_config() == config
    assert (twin.name, twin.compute_dtype) == ("round_trip", "bfloat16")


@each_layer
def test_registered_under_the_package(case: Case) -> None:
    name = f"tfgan_models>{case.layer.__name__}"
    assert keras.saving.get_registered_name(case.layer) == name
    assert keras.saving.get_registered_object(name) is case.layer


@each_layer
def test_invalid_arguments_say_what_was_received(case: Case) -> None:
    for bad in case.invalid:
        ((name, value),) = bad.items()
        with pytest.raises(ValueError, match="Received: ") as error:
            case(**bad)
        received = str(error.value).rpartition("Received: ")[2]
        assert f"{name}={value!r}" in received


@each_layer
def test_symbolic_shape_is_the_eager_shape(case: Case) -> None:
    layer = case()
    eager = layer(*case.inputs()).shape
    symbolic = layer(*[keras.Input(shape[1:]) for shape in case.shapes]).shape
    assert tuple(layer.compute_output_shape(*case.shapes)) == tuple(eager)
    assert tuple(symbolic) == (None, *eager[1:])


@each_layer
def test_a_batch_of_any_size_in_a_graph(case: Case) -> None:
    model = case.model()
    signature = [tf.TensorSpec((None, *shape[1:])) for shape in case.shapes]
    traced = tf.function(lambda *x: model(list(x)), input_signature=signature)
    for batch in (2, 4):
        inputs = [x[:batch] for x in case.inputs()]
        np.testing.assert_allclose(traced(*inputs), model(inputs), atol=1e-6)


@each_layer
def test_trainable_weights(case: Case) -> None:
    layer = case()
    layer(*case.inputs())
    assert tuple(w.name for w in layer.trainable_weights) == case.weights


@each_layer
@pytest.mark.parametrize(("half", "digits"), [("float16", 11), ("bfloat16", 8)])
@pytest.mark.parametrize("size", [1.0, 3000.0])
def test_half_precision(case: Case, half: str, digits: int, size: float) -> None:
    first, *others = case.inputs()
    inputs = [tf.cast(x, half) for x in (size * first, *others)]
    wide = [tf.cast(x, "float64") for x in inputs]
    layer, exact = case(dtype=f"mixed_{half}"), case(dtype="float64")
    layer(*inputs)
    exact(*wide)
    assert {w.dtype for w in layer.weights} <= {"float32"}
    randomize(layer)
    exact.set_weights(layer.get_weights())
    y, expected = layer(*inputs), exact(*wide)
    assert keras.backend.standardize_dtype(y.dtype) == half
    error = np.abs(tf.cast(y, "float64") - expected)
    # A few roundings of numbers as large as the largest.
    assert error.max() < 4 * 2.0**-digits * np.abs(expected).max()


@each_layer
def test_first_and_second_derivatives(case: Case) -> None:
    """Automatic ones equal finite differences, in a random direction."""
    layer = case(dtype="float64")
    inputs = list(case.inputs("float64"))
    layer(*inputs)
    randomize(layer)
    count = len(inputs)
    weights = [w.value for w in layer.trainable_weights]
    start = [*inputs, *[w.numpy() for w in weights]]

    def derivatives(values: list[np.ndarray]) -> tuple[float, list, list]:
        """Returns a loss, its gradient, and that of the slope along `way`."""
        for weight, value in zip(weights, values[count:], strict=True):
            weight.assign(value)
        x = [tf.constant(value) for value in values[:count]]
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(*x)
                # Not quadratic: a linear layer too has derivatives that vary.
                loss = tf.reduce_sum(y**3 / 3 + y)
            first = inner.gradient(loss, [*x, *weights], unconnected_gradients="zero")
            slope = tf.add_n(
                [tf.reduce_sum(g * d) for g, d in zip(first, way, strict=True)]
            )
        second = outer.gradient(slope, [*x, *weights], unconnected_gradients="zero")
        return float(loss), first, second

    way = directions(start)
    step = 1e-5
    _, first, second = derivatives(start)
    pairs = list(zip(start, way, strict=True))
    above, first_above, _ = derivatives([v + step * d for v, d in pairs])
    below, first_below, _ = derivatives([v - step * d for v, d in pairs])
    slope = (above - below) / (2 * step)
    assert abs(slope) > 1e-3
    assert abs(dot(first, way) / slope - 1) < 1e-6
    for ours, high, low in zip(second, first_above, first_below, strict=True):
        expected = (high - low) / (2 * step)
        np.testing.assert_allclose(
            ours, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max() + 1e-9
        )


@each_layer
def test_trains_in_a_functional_model_and_loads_from_its_file(
    case: Case, tmp_path: Path
) -> None:
    model, inputs = case.model(), list(case.inputs())
    if case.weights:
        before = [w.numpy() for w in model.trainable_weights]
        target = np.zeros(model(inputs).shape, "float32")
        model.compile(keras.optimizers.SGD(1e-3), "mse")
        model.fit(inputs, target, batch_size=4, verbose=0)
        after = [w.numpy() for w in model.trainable_weights]
        assert all((a != b).any() for a, b in zip(after, before, strict=True))
    model.save(tmp_path / "layer.keras")
    loaded = keras.models.load_model(tmp_path / "layer.keras")
    assert np.array_equal(loaded(inputs), model(inputs))
