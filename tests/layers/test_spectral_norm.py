"""SpectralConv2D and SpectralDense: sigma, its gradient, and what a call changes."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tfgan_models.layers import SpectralConv2D, SpectralDense

# More inputs than outputs, and fewer.
KINDS = {
    "conv": (lambda **k: SpectralConv2D(6, 3, 2, **k), (2, 7, 8, 3)),
    "wide_conv": (lambda **k: SpectralConv2D(40, 2, **k), (2, 5, 5, 2)),
    "dense": (lambda **k: SpectralDense(4, **k), (3, 9)),
    "wide_dense": (lambda **k: SpectralDense(12, **k), (3, 5)),
    "logit": (lambda **k: SpectralDense(1, **k), (3, 9)),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, **options: Any) -> tuple[keras.layers.Layer, np.ndarray]:
    """Returns a layer with a random kernel and bias, and an input."""
    create, shape = KINDS[kind]
    layer = create(**options)
    layer.build((None, *shape[1:]))
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer, rng.normal(size=shape).astype("float32")


def matrix(kernel: Any) -> np.ndarray:
    """A kernel as [k*k*C, filters] or [D, units]."""
    kernel = np.asarray(kernel)
    return kernel.reshape(-1, kernel.shape[-1])


def largest(kernel: Any) -> float:
    return np.linalg.svd(matrix(kernel), compute_uv=False)[0]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def sigma(layer: keras.layers.Layer) -> float:
    """What the layer divides its kernel by."""
    return float(
        np.linalg.norm(layer.kernel) / np.linalg.norm(layer.normalized_kernel())
    )


def converge(layer: keras.layers.Layer, x: np.ndarray, calls: int = 300) -> None:
    for _ in range(calls):
        layer(x, training=True)


@each_kind
def test_sigma_is_the_largest_singular_value(kind: str) -> None:
    layer, x = make(kind)
    expected = largest(layer.kernel)
    if kind != "logit":
        assert sigma(layer) < 0.99 * expected
    converge(layer, x)
    assert abs(sigma(layer) / expected - 1) < 1e-3
    assert abs(largest(layer.normalized_kernel()) - 1) < 1e-3


@each_kind
def test_one_call_is_one_step_of_power_iteration(kind: str) -> None:
    layer, x = make(kind)
    w, u = matrix(layer.kernel), layer.u.numpy()
    for _ in range(3):
        layer(x, training=True)
        v = unit(w @ u)
        u = unit(w.T @ v)
        np.testing.assert_allclose(layer.u, u, atol=1e-5)
        np.testing.assert_allclose(layer.v, v, atol=1e-5)
        np.testing.assert_allclose(sigma(layer), v @ w @ u, rtol=1e-5)


@each_kind
def test_fresh_weights(kind: str) -> None:
    keras.utils.set_random_seed(3)
    create, shape = KINDS[kind]
    layer = create()
    layer.build((None, *shape[1:]))
    np.testing.assert_allclose(np.linalg.norm(layer.u), 1, atol=1e-6)
    np.testing.assert_allclose(
        layer.v, unit(matrix(layer.kernel) @ layer.u.numpy()), atol=1e-6
    )
    other = create()
    other.build((None, *shape[1:]))
    assert not np.allclose(other.kernel, layer.kernel)
    names = [w.name for w in layer.non_trainable_weights]
    assert names == ["u", "v"]


@each_kind
def test_what_calls_change(kind: str) -> None:
    layer, x = make(kind)
    before = [w.numpy() for w in (layer.kernel, layer.bias, layer.u, layer.v)]
    layer(x)
    layer(x, training=False)
    after = [w.numpy() for w in (layer.kernel, layer.bias, layer.u, layer.v)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    layer(x, training=True)
    np.testing.assert_array_equal(layer.kernel, before[0])
    np.testing.assert_array_equal(layer.bias, before[1])
    assert not np.array_equal(layer.v, before[3])


@each_kind
@pytest.mark.parametrize("training", [True, False])
def test_gradient_is_that_of_finite_differences(kind: str, training: bool) -> None:
    """Those of the layer as it is after the call: with its u and v as constants."""
    layer, x = make(kind, dtype="float64")
    target = np.random.default_rng(4).normal(size=layer(x).shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=training) * target)
    gradient = np.asarray(tape.gradient(loss, layer.kernel.value))
    kernel = layer.kernel.numpy()
    differences = np.zeros_like(kernel)
    step = 1e-5
    for index in np.ndindex(kernel.shape):
        ends = []
        for sign in (1, -1):
            moved = kernel.copy()
            moved[index] += sign * step
            layer.kernel.assign(moved)
            ends.append(float(tf.reduce_sum(layer(x) * target)))
        differences[index] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(gradient, differences, atol=1e-7)
    # The kernel's length changes nothing: its own direction has no slope.
    assert abs(np.sum(gradient * kernel)) < 1e-8 * np.linalg.norm(gradient)


def torch_twin(layer: keras.layers.Layer) -> torch.nn.Module:
    """PyTorch's own layer with the same kernel, bias, u and v."""
    kernel = layer.kernel.numpy()
    if kernel.ndim == 4:
        sizes = kernel.shape[2], kernel.shape[3], kernel.shape[0], layer.strides
        twin = torch.nn.Conv2d(*sizes)
        kernel = kernel.transpose(3, 2, 0, 1)
    else:
        twin = torch.nn.Linear(*kernel.shape)
        kernel = kernel.T
    with torch.no_grad():
        twin.weight.copy_(torch.from_numpy(kernel.copy()))
        twin.bias.copy_(torch.from_numpy(layer.bias.numpy()))
    twin = torch.nn.utils.spectral_norm(twin)
    twin.weight_u.copy_(torch.from_numpy(layer.u.numpy()))
    twin.weight_v.copy_(torch.from_numpy(torch_order(layer.v.numpy(), layer)))
    return twin


def torch_order(v: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """The order of v for PyTorch's kernel as a matrix: channels first."""
    if layer.kernel.ndim == 2:
        return v
    return v.reshape(layer.kernel.shape[:3]).transpose(2, 0, 1).ravel().copy()


def run_torch(twin: torch.nn.Module, x: np.ndarray) -> torch.Tensor:
    pixels = torch.from_numpy(x)
    if x.ndim == 2:
        return twin(pixels)
    return twin(pixels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@each_kind
def test_equal_to_pytorchs_at_inference(kind: str) -> None:
    layer, x = make(kind)
    layer(x, training=True)
    # As after an optimizer's step: u and v are not of this kernel.
    layer.kernel.assign_add(
        0.3 * np.random.default_rng(5).normal(size=layer.kernel.shape)
    )
    twin = torch_twin(layer).eval()
    with torch.no_grad():
        np.testing.assert_allclose(layer(x), run_torch(twin, x), atol=1e-5)


@each_kind
def test_trains_as_pytorchs(kind: str) -> None:
    layer, x = make(kind)
    twin = torch_twin(layer).train()
    rate = 0.1
    optimizer = torch.optim.SGD(twin.parameters(), rate)
    for _ in range(4):
        with tf.GradientTape() as tape:
            output = layer(x, training=True)
            loss = tf.reduce_mean(output**2)
        weights = [layer.kernel.value, layer.bias.value]
        for weight, slope in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(rate * slope)
        theirs = run_torch(twin, x)
        optimizer.zero_grad()
        theirs.pow(2).mean().backward()
        optimizer.step()
        np.testing.assert_allclose(output, theirs.detach(), atol=1e-5)
    np.testing.assert_allclose(layer.u, twin.weight_u, atol=1e-5)
    expected = twin.weight_orig.detach().numpy()
    expected = expected.transpose(2, 3, 1, 0) if expected.ndim == 4 else expected.T
    np.testing.assert_allclose(layer.kernel, expected, atol=1e-5)
    assert np.abs(layer.kernel.numpy() - make(kind)[0].kernel.numpy()).max() > 1e-3


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@each_kind
def test_mixed_precision_iterates_in_float32(kind: str, policy: str) -> None:
    layer, x = make(kind)
    half, _ = make(kind, dtype=policy)
    half.set_weights(layer.get_weights())
    for each in (layer, half):
        # Too large for float16.
        each.kernel.assign(each.kernel * 1e6)
        converge(each, x, 20)
    assert {w.dtype for w in half.weights} == {"float32"}
    np.testing.assert_array_equal(half.u, layer.u)
    np.testing.assert_array_equal(half.normalized_kernel(), layer.normalized_kernel())
    output = half(x)
    assert keras.backend.standardize_dtype(output.dtype) == half.compute_dtype
    np.testing.assert_allclose(tf.cast(output, "float32"), layer(x), atol=0.05)


@each_kind
def test_in_a_stateless_scope_nothing_is_assigned(kind: str) -> None:
    layer, x = make(kind)
    before = layer.u.numpy(), layer.v.numpy()
    with keras.StatelessScope() as scope:
        first = layer(x, training=True)
        second = layer(x, training=True)
    u, v = (scope.get_current_value(w) for w in (layer.u, layer.v))
    np.testing.assert_array_equal(layer.u, before[0])
    np.testing.assert_array_equal(layer.v, before[1])
    np.testing.assert_array_equal(layer(x, training=True), first)
    np.testing.assert_array_equal(layer(x, training=True), second)
    np.testing.assert_array_equal(layer.u, u)
    np.testing.assert_array_equal(layer.v, v)


@each_kind
def test_a_graph_does_what_eager_calls_do(kind: str) -> None:
    layer, x = make(kind)
    twin, _ = make(kind)
    twin.set_weights(layer.get_weights())
    traced = tf.function(lambda x: layer(x, training=True))
    for _ in range(3):
        np.testing.assert_allclose(traced(x), twin(x, training=True), atol=1e-6)
    np.testing.assert_allclose(layer.u, twin.u, atol=1e-6)


def test_two_replicas_keep_one_estimate(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    single, x = make("conv")
    with mirrored.scope():
        layer, _ = make("conv")
    layer.set_weights(single.get_weights())
    for _ in range(3):
        single(x, training=True)
        mirrored.run(lambda: layer(x, training=True))
    for value in mirrored.experimental_local_results(layer.u.value):
        np.testing.assert_allclose(value, single.u, atol=1e-6)
