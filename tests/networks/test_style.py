"""ProGAN's and StyleGAN's networks: fades, styles, truncation, labels, sizes."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.conformance import arrays, leaves, randomize
from tests.networks.examples import images, noise, normal
from tfgan_models import networks
from tfgan_models.layers import AverageDownsampling2D, NearestUpsampling2D

# Widths 16, 16, 8, 4 from 4 to 32 px.
SMALL = {"resolution": 32, "fmap_base": 64, "fmap_max": 16}
STYLE = {"latent_size": 16, "w_size": 16}
NUM_LAYERS = 8
GENERATORS = [networks.StyleGenerator, networks.ProgressiveGenerator]
DISCRIMINATORS = [networks.StyleDiscriminator, networks.ProgressiveDiscriminator]
GROWN = [8, 16, 32]

each_generator = pytest.mark.parametrize("cls", GENERATORS)
each_discriminator = pytest.mark.parametrize("cls", DISCRIMINATORS)


@cache
def make(cls: type[keras.Model], label_size: int = 0) -> keras.Model:
    """Returns a network with random weights, the same one for every test."""
    options = SMALL | {"label_size": label_size}
    if cls is networks.StyleGenerator:
        options |= STYLE
    elif cls is networks.ProgressiveGenerator:
        options |= {"latent_size": 16}
    network = cls(**options)
    randomize(network)
    return network


def synthesis() -> keras.Model:
    return make(networks.StyleGenerator).synthesis


def labels(*classes: int) -> np.ndarray:
    return np.eye(3, dtype="float32")[list(classes)]


def with_noise(network: keras.Model) -> dict[str, Any]:
    """Returns noise for StyleGAN's generator, which then is in the picture."""
    inner = getattr(network, "synthesis", None)
    return {"noise": noise(inner)} if inner else {}


def score(outputs: Any) -> np.ndarray:
    return arrays(outputs)[0]


# Fades


@each_generator
@pytest.mark.parametrize("side", GROWN)
def test_generator_fade(cls: type[keras.Model], side: int) -> None:
    network, z = make(cls), normal(2, 16)
    options = with_noise(network)
    low = network(z, resolution=side // 2, **options)
    high = network(z, resolution=side, **options)
    old = NearestUpsampling2D()(low)
    assert np.abs(high - old).mean() > 0.1

    for alpha in (0.0, tf.constant(0.0)):
        start = network(z, resolution=side, alpha=alpha, **options)
        np.testing.assert_allclose(start, old, atol=1e-5)
    middle = network(z, resolution=side, alpha=tf.constant(0.3), **options)
    np.testing.assert_allclose(middle, 0.7 * old + 0.3 * high, atol=1e-5)
    end = network(z, resolution=side, alpha=tf.constant(1.0), **options)
    np.testing.assert_allclose(end, high, atol=1e-5)


@each_discriminator
@pytest.mark.parametrize("side", GROWN)
def test_discriminator_fade(cls: type[keras.Model], side: int) -> None:
    network, x = make(cls), images(side, batch=4)
    halved = AverageDownsampling2D()(x)
    low, high = score(network(halved)), score(network(x))
    assert np.abs(high - low).mean() > 0.01

    for alpha in (0.0, tf.constant(0.0)):
        np.testing.assert_allclose(score(network(x, alpha=alpha)), low, atol=1e-5)
    end = score(network(x, alpha=tf.constant(1.0)))
    np.testing.assert_allclose(end, high, atol=1e-5)
    middle = score(network(x, alpha=tf.constant(0.5)))
    assert np.abs(middle - low).mean() > 1e-3
    assert np.abs(middle - high).mean() > 1e-3


@each_generator
def test_alpha_at_the_lowest_resolution_changes_nothing(
    cls: type[keras.Model],
) -> None:
    network, z = make(cls), normal(2, 16)
    whole = network(z, resolution=4)
    assert whole.shape == (2, 4, 4, 3)
    assert np.array_equal(network(z, resolution=4, alpha=0.0), whole)


@each_generator
def test_one_trace_serves_a_whole_fade(cls: type[keras.Model]) -> None:
    network, z, traces = make(cls), tf.constant(normal(2, 16)), []

    @tf.function
    def draw(alpha: tf.Tensor) -> tf.Tensor:
        traces.append(alpha)
        return network(z, resolution=16, alpha=alpha)

    for alpha in (0.0, 0.25, 1.0):
        expected = network(z, resolution=16, alpha=tf.constant(alpha))
        np.testing.assert_allclose(draw(tf.constant(alpha)), expected, atol=1e-5)
    assert len(traces) == 1


@each_generator
@pytest.mark.parametrize("side", [2, 12, 64])
def test_a_resolution_there_is_not(cls: type[keras.Model], side: int) -> None:
    with pytest.raises(ValueError, match=rf"Received: resolution={side}"):
        make(cls)(normal(2, 16), resolution=side)


@each_discriminator
@pytest.mark.parametrize(
    "shape", [(4, 64, 64, 3), (4, 12, 12, 3), (4, 8, 16, 3), (4, 8, 8, 1), (8, 8, 3)]
)
def test_images_of_a_wrong_shape(
    cls: type[keras.Model], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"one of \[4, 8, 16, 32\]. Received: shape"):
        make(cls)(np.zeros(shape, "float32"))


# Styles and truncation


def test_mixing_gives_each_layer_the_style_of_its_latent() -> None:
    network, maps = synthesis(), noise(synthesis())
    generator = make(networks.StyleGenerator)
    first, second = (generator.mapping(normal(2, 16, seed=i)) for i in (0, 1))
    ws1, ws2 = (np.repeat(w[:, None], NUM_LAYERS, axis=1) for w in (first, second))
    ends = network(ws2, maps).numpy(), network(ws1, maps).numpy()
    pictures = []
    for cutoff in range(NUM_LAYERS + 1):
        mixed = np.concatenate([ws1[:, :cutoff], ws2[:, cutoff:]], axis=1)
        pictures.append(network(mixed, maps).numpy())
    assert np.array_equal(pictures[0], ends[0])
    assert np.array_equal(pictures[-1], ends[1])
    assert np.array_equal(pictures[-1], generator(normal(2, 16), noise=maps))
    steps = [np.abs(a - b).mean() for a, b in pairwise(pictures)]
    assert min(steps) > 1e-3


@pytest.mark.parametrize("side", [4, *GROWN])
def test_a_resolution_uses_its_own_style_layers_and_noise(side: int) -> None:
    network = synthesis()
    ws = tf.constant(normal(2, NUM_LAYERS, 16))
    maps = [tf.constant(m) for m in noise(network)]
    with tf.GradientTape() as tape:
        tape.watch([ws, *maps])
        total = tf.reduce_sum(network(ws, maps, resolution=side) ** 2)
    by_ws, *by_maps = tape.gradient(total, [ws, *maps])
    used = len(network.noise_shapes(side))
    assert used == 2 * int(np.log2(side)) - 2
    assert (np.abs(by_ws).max((0, 2)) > 0).tolist() == [
        i < used for i in range(NUM_LAYERS)
    ]
    assert [g is not None and np.abs(g).max() > 0 for g in by_maps] == [
        i < used for i in range(NUM_LAYERS)
    ]


def test_noise_shapes() -> None:
    sides = [4, 4, 8, 8, 16, 16, 32, 32]
    assert synthesis().num_layers == NUM_LAYERS
    assert synthesis().noise_shapes() == [(side, side, 1) for side in sides]
    assert synthesis().noise_shapes(8) == [(side, side, 1) for side in sides[:4]]


def test_no_noise_is_noise_of_zeros() -> None:
    network, ws = synthesis(), normal(2, NUM_LAYERS, 16)
    maps = noise(network)
    plain = network(ws)
    assert np.array_equal(plain, network(ws, [0 * m for m in maps]))
    assert np.abs(plain - network(ws, maps)).mean() > 0.01


def test_noise_does_nothing_before_training() -> None:
    network = networks.StyleSynthesis(**SMALL, w_size=16)
    ws = normal(2, NUM_LAYERS, 16)
    assert np.array_equal(network(ws), network(ws, noise(network)))


def test_psi_of_zero_is_one_picture_for_all_latents() -> None:
    network = make(networks.StyleGenerator)
    z = normal(3, 16)
    maps = [np.repeat(m[:1], 3, axis=0) for m in noise(network.synthesis)]
    pictures = network(z, noise=maps, psi=0.0, cutoff=NUM_LAYERS).numpy()
    ws = np.tile(network.w_avg, (1, NUM_LAYERS, 1))
    average = network.synthesis(ws, [m[:1] for m in maps])
    np.testing.assert_allclose(pictures, np.repeat(average, 3, axis=0), atol=1e-5)
    assert np.std(network(z, noise=maps).numpy(), axis=0).mean() > 0.1
    whole = network(z, noise=maps, psi=1.0)
    np.testing.assert_allclose(whole, network(z, noise=maps), atol=1e-4)


def test_psi_moves_styles_before_the_cutoff() -> None:
    network, z = make(networks.StyleGenerator), normal(2, 16)
    ws = network.truncation(network.mapping(z)).numpy()
    ws[:, :3] = network.w_avg + 0.4 * (ws[:, :3] - network.w_avg)
    psi = np.full((2, 1), 0.4, "float32")
    picture = network(z, psi=psi, cutoff=3)
    np.testing.assert_allclose(picture, network.synthesis(ws), atol=1e-5)


def test_average_w_is_saved_but_not_trained() -> None:
    network = make(networks.StyleGenerator)
    assert [w.path for w in network.non_trainable_weights] == [network.w_avg.path]
    assert network.w_avg.shape == (16,)


@each_generator
def test_the_length_of_a_latent_does_not_matter(cls: type[keras.Model]) -> None:
    network, z = make(cls), normal(2, 16)
    np.testing.assert_allclose(network(z), network(5 * z), atol=1e-4)


# Labels


@each_generator
def test_generator_labels(cls: type[keras.Model]) -> None:
    network, z = make(cls, 3), normal(2, 16)
    first, second = network(z, labels(0, 1)), network(z, labels(2, 1))
    assert np.abs(first[0] - second[0]).mean() > 0.01
    np.testing.assert_allclose(first[1], second[1], atol=1e-6)


def test_a_label_picks_its_score() -> None:
    network, x = make(networks.StyleDiscriminator, 3), images(16, batch=4)
    scores = network.body(x).numpy()
    assert scores.shape == (4, 3)
    picked = network(x, labels(2, 0, 1, 1))
    expected = scores[range(4), [2, 0, 1, 1]].reshape(4, 1)
    np.testing.assert_allclose(picked, expected, atol=1e-6)


def test_progressive_discriminator_gives_score_and_logits() -> None:
    network, x = make(networks.ProgressiveDiscriminator, 3), images(16, batch=4)
    outputs = network.body(x).numpy()
    first, logits = network(x)
    assert np.array_equal(first, outputs[:, :1])
    assert np.array_equal(logits, outputs[:, 1:])
    assert logits.shape == (4, 3)
    assert make(networks.ProgressiveDiscriminator)(x)[1].shape == (4, 0)


@pytest.mark.parametrize("cls", [*GENERATORS, networks.StyleDiscriminator])
def test_missing_and_useless_labels(cls: type[keras.Model]) -> None:
    x = images(16, batch=2) if cls in DISCRIMINATORS else normal(2, 16)
    with pytest.raises(ValueError, match=r"are required\. Received: labels=None"):
        make(cls, 3)(x)
    with pytest.raises(ValueError, match=r"are not taken\. Received: labels=\(2, 3\)"):
        make(cls)(x, labels(0, 1))


# Functional forms


@each_generator
@pytest.mark.parametrize("label_size", [0, 3])
def test_functional_equals_call(cls: type[keras.Model], label_size: int) -> None:
    network = make(cls, label_size)
    model = network.functional()
    inputs: dict[str, Any] = {"latent": normal(2, 16)}
    if label_size:
        inputs["labels"] = labels(0, 2)
    arguments = dict(inputs)
    if cls is networks.StyleGenerator:
        inputs["psi"] = arguments["psi"] = np.array([[0.3], [0.8]], "float32")
        arguments["noise"] = noise(network.synthesis)
        inputs |= {f"noise_{i}": m for i, m in enumerate(arguments["noise"])}
    picture = network(arguments.pop("latent"), **arguments)
    np.testing.assert_allclose(model(inputs), picture, atol=1e-5)
    assert model.get_layer("image").output.shape == (None, 32, 32, 3)
    assert {id(w) for w in model.weights} <= {id(w) for w in network.weights}


def test_parts_of_the_functional_form() -> None:
    network = make(networks.StyleGenerator)
    model, z = network.functional(), normal(2, 16)
    w = keras.Model(model.input["latent"], model.get_layer("w").output)
    np.testing.assert_allclose(w(z), network.mapping(z), atol=1e-6)
    assert model.get_layer("ws").output.shape == (None, NUM_LAYERS, 16)
    image = keras.Model(
        [model.get_layer("ws").output, *network_noise(model)], model.output
    )
    ws, maps = normal(2, NUM_LAYERS, 16), noise(network.synthesis)
    picture = network.synthesis(ws, maps)
    np.testing.assert_allclose(image([ws, *maps]), picture, atol=1e-5)


def network_noise(model: keras.Model) -> list[Any]:
    return [model.input[f"noise_{i}"] for i in range(NUM_LAYERS)]


def test_half_precision_w_and_images_are_float32() -> None:
    options = SMALL | STYLE | {"dtype": "mixed_float16"}
    model = networks.StyleGenerator(**options).functional()
    for name in ("w", "ws", "image"):
        assert model.get_layer(name).output.dtype == "float32"


# Initialisation and derivatives


def activations(network: keras.Model, *inputs: Any) -> dict[str, float]:
    """Returns the root mean square after leaky ReLU of each layer, by its name."""
    found: dict[str, float] = {}

    def watch(layer: keras.layers.Layer) -> None:
        original: Callable[..., Any] = layer.call

        def call(*args: Any, **kwargs: Any) -> Any:
            y = original(*args, **kwargs)
            active = np.maximum(y, 0.2 * y)
            found[layer.name] = float(np.sqrt(np.mean(active**2)))
            return y

        layer.call = call

    for layer in leaves(network):
        if layer.name.startswith(("conv", "up_conv", "down_conv", "last", "dense")):
            watch(layer)
    network(*inputs)
    return found


@pytest.mark.parametrize(
    ("cls", "count", "low", "high"),
    [
        # AdaIN's output has three times the variance: scale, 1 and offset.
        (networks.StyleGenerator, 8 + 9, 0.8, 2.2),
        (networks.ProgressiveGenerator, 9, 0.7, 1.3),
        # At 4 px zero padding takes 30 % of the variance.
        (networks.StyleDiscriminator, 8 + 2, 0.4, 1.4),
        (networks.ProgressiveDiscriminator, 8 + 2, 0.4, 1.4),
    ],
)
def test_activations_keep_their_size_through_depth(
    cls: type[keras.Model], count: int, low: float, high: float
) -> None:
    keras.utils.set_random_seed(0)
    network = cls(resolution=64, fmap_base=2048, fmap_max=128)
    inputs = normal(4, 512)
    if cls in DISCRIMINATORS:
        # Patches of variance 1: noise would lose contrast in every halving.
        patches = images(4, batch=4) * 3**0.5
        inputs = patches.repeat(16, axis=1).repeat(16, axis=2)
    sizes = activations(network, inputs)
    assert len(sizes) == count
    assert low < min(sizes.values()), sizes
    assert max(sizes.values()) < high, sizes


@pytest.mark.parametrize("cls", [*GENERATORS, *DISCRIMINATORS])
def test_fresh_weights(cls: type[keras.Model]) -> None:
    network = cls(resolution=8, fmap_base=256, fmap_max=64)
    starts = []
    for layer in leaves(network):
        multiplier = getattr(layer, "lr_multiplier", 1.0)
        for weight in layer.weights:
            value = weight.numpy()
            if weight.name == "kernel":
                flat = value.ravel() * multiplier
                assert abs(flat.mean()) < 5 / flat.size**0.5
                assert abs(flat.std() - 1) < 5 / (2 * flat.size) ** 0.5
                starts.append(tuple(flat[:8]))
            else:
                expected = 1.0 if weight.name == "constant" else 0.0
                assert np.array_equal(value, np.full(value.shape, expected))
    assert len(set(starts)) == len(starts) > 5


def test_mapping_learns_a_hundred_times_slower() -> None:
    mapping = make(networks.StyleGenerator).mapping
    assert [dense.lr_multiplier for dense in mapping.denses] == [0.01] * 8
    others = [layer for layer in leaves(synthesis()) if hasattr(layer, "lr_multiplier")]
    assert {layer.lr_multiplier for layer in others} == {1.0}


@each_discriminator
@pytest.mark.parametrize("alpha", [1.0, 0.4])
def test_gradient_penalty_can_be_differentiated(
    cls: type[keras.Model], alpha: float
) -> None:
    """Its derivative along random weights equals a finite difference."""
    network = cls(resolution=8, fmap_base=16, fmap_max=4, dtype="float64")
    randomize(network)
    variables = network.trainable_variables
    start = [v.numpy() for v in variables]
    rng = np.random.default_rng(3)
    way = [rng.normal(size=value.shape) for value in start]
    x = tf.constant(images(8, batch=4), tf.float64)

    def penalty(values: list[np.ndarray]) -> tuple[float, list[Any]]:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs = network(x, alpha=alpha)
                total = tf.add_n([tf.reduce_sum(y) for y in tf.nest.flatten(outputs)])
            loss = tf.reduce_sum(inner.gradient(total, x) ** 2)
        gradients = outer.gradient(
            loss, [v.value for v in variables], unconnected_gradients="zero"
        )
        return float(loss), gradients

    step = 1e-7
    value, gradients = penalty(start)
    pairs = list(zip(start, way, strict=True))
    above, _ = penalty([v + step * d for v, d in pairs])
    below, _ = penalty([v - step * d for v, d in pairs])
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, way, strict=True))
    assert value > 1e-6
    assert abs(slope / ((above - below) / (2 * step)) - 1) < 1e-4
