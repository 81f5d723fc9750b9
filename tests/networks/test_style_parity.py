"""Equal weights give PyTorch's StyleGAN and ProGAN: outputs, gradients, sizes.

Both compute in float64: rounding to float32 puts what is beside a kink of a leaky ReLU
on one side or the other, and a gradient with it, by the machine.
"""

import copy
import math
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from benchmarks import style_twin
from tfgan_models import networks, penalties

COPIES = {
    networks.StyleGenerator: style_twin.copy_style_generator,
    networks.StyleDiscriminator: style_twin.copy_style_discriminator,
    networks.ProgressiveGenerator: style_twin.copy_progressive_generator,
    networks.ProgressiveDiscriminator: style_twin.copy_progressive_discriminator,
}
GENERATORS = [networks.StyleGenerator, networks.ProgressiveGenerator]
DISCRIMINATORS = [networks.StyleDiscriminator, networks.ProgressiveDiscriminator]
# Ours rounds outputs, and gradients with respect to them, to float32.
TOLERANCE = 1e-5
LABELS = 3
# Widths 32, 32, 32, 16, 8 from 4 to 64 px.
SMALL = {"resolution": 64, "fmap_base": 256, "fmap_max": 32}
FADES = [(4, 1.0)] + [(r, alpha) for r in (8, 16, 32, 64) for alpha in (0.0, 0.3, 1.0)]


def randomize(network: keras.Model) -> None:
    """Gives every weight a value of the size it may have after some training."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        deviation = 1.0 if weight.name in ("kernel", "constant") else 0.3
        weight.assign(rng.normal(0, deviation, weight.shape))
    mapping = getattr(network, "mapping", None)
    for dense in mapping.denses if mapping else ():
        for weight in dense.weights:
            weight.assign(weight / dense.lr_multiplier)


@cache
def pair(cls: type[keras.Model], label_size: int = 0, **sizes: int) -> tuple[Any, Any]:
    """Returns our network with random weights, and its twin with the same ones."""
    sizes = sizes or SMALL
    network = cls(label_size=label_size, dtype="float64", **sizes)
    randomize(network)
    twin = getattr(style_twin, cls.__name__)(label_size=label_size, **sizes).double()
    COPIES[cls](network, twin)
    if mapping := getattr(twin, "mapping", None):
        # As ours, which has w in float32 whatever it computes in.
        mapping.register_forward_hook(lambda *args: args[-1].float().double())
    return network, twin


def latents(n: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, 512)).astype("float32")


def pictures(resolution: int, n: int = 4) -> np.ndarray:
    """Returns images [n, R, R, 3] of 4x4 patches, so unlike that scores differ."""
    rng = np.random.default_rng(4)
    x = np.linspace(-3, 3, n).reshape(n, 1, 1, 1) * rng.uniform(-1, 1, (n, 4, 4, 3))
    x = x.repeat(resolution // 4, axis=1).repeat(resolution // 4, axis=2)
    return (x + rng.uniform(-0.1, 0.1, x.shape)).astype("float32")


def one_hot(n: int, label_size: int) -> np.ndarray | None:
    """Returns labels 2, 0, 1, 2, ...; None without labels."""
    if not label_size:
        return None
    return np.eye(label_size, dtype="float32")[(np.arange(n) + 2) % label_size]


def noise_maps(n: int, resolution: int) -> list[np.ndarray]:
    """Returns a map [n, R, R, 1] for each style layer."""
    rng = np.random.default_rng(2)
    sides = [4 * 2 ** (i // 2) for i in range(2 * int(np.log2(resolution)) - 2)]
    return [rng.normal(size=(n, side, side, 1)).astype("float32") for side in sides]


def to_torch(x: Any) -> Any:
    """Returns NumPy arrays as tensors, images as [N, C, H, W]; else x itself."""
    if isinstance(x, list):
        return [to_torch(item) for item in x]
    if not isinstance(x, np.ndarray):
        return x
    tensor = torch.from_numpy(x).double()
    return tensor.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else tensor


def call_twin(twin: torch.nn.Module, *inputs: Any, **options: Any) -> Any:
    """Returns the twin's output for our inputs."""
    options = {name: to_torch(x) for name, x in options.items()}
    return twin(*map(to_torch, inputs), **options)


def call(both: tuple[Any, Any], *inputs: Any, **options: Any) -> tuple[Any, Any]:
    """Returns our output and the twin's."""
    with torch.no_grad():
        theirs = call_twin(both[1], *inputs, **options)
    return both[0](*inputs, **options), theirs


def assert_same(ours: Any, theirs: torch.Tensor) -> None:
    """Compares two outputs, relative to the deviation of PyTorch's."""
    expected = (theirs.permute(0, 2, 3, 1) if theirs.ndim == 4 else theirs).numpy()
    ours = np.asarray(ours)
    assert ours.shape == expected.shape
    assert ours.dtype == np.float32
    spread = expected.std()
    assert spread > 0.01
    assert np.abs(ours - expected).max() / spread < TOLERANCE


def score(outputs: Any) -> Any:
    """Returns a discriminator's scores, without the class logits if there are any."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


def generator_options(
    cls: type[keras.Model], n: int, resolution: int
) -> dict[str, Any]:
    """Returns the noise for StyleGAN's generator, nothing for ProGAN's."""
    if cls is networks.StyleGenerator:
        return {"noise": noise_maps(n, resolution)}
    return {}


def discriminator_options(
    cls: type[keras.Model], n: int, label_size: int
) -> dict[str, Any]:
    """Returns the labels for StyleGAN's discriminator, if any, nothing for ProGAN's."""
    if cls is networks.StyleDiscriminator and label_size:
        return {"labels": one_hot(n, label_size)}
    return {}


@pytest.mark.parametrize("label_size", [0, LABELS])
@pytest.mark.parametrize(("resolution", "alpha"), FADES)
@pytest.mark.parametrize("cls", GENERATORS)
def test_generator(
    cls: type[keras.Model], resolution: int, alpha: float, label_size: int
) -> None:
    ours, theirs = call(
        pair(cls, label_size),
        latents(),
        labels=one_hot(2, label_size),
        resolution=resolution,
        alpha=alpha,
        **generator_options(cls, 2, SMALL["resolution"]),
    )
    assert ours.shape == (2, resolution, resolution, 3)
    assert_same(ours, theirs)


@pytest.mark.parametrize("label_size", [0, LABELS])
@pytest.mark.parametrize(("resolution", "alpha"), FADES)
@pytest.mark.parametrize("cls", DISCRIMINATORS)
def test_discriminator(
    cls: type[keras.Model], resolution: int, alpha: float, label_size: int
) -> None:
    options = discriminator_options(cls, 4, label_size)
    ours, theirs = call(
        pair(cls, label_size), pictures(resolution), alpha=alpha, **options
    )
    assert_same(score(ours), score(theirs))
    if cls is networks.ProgressiveDiscriminator and label_size:
        assert_same(ours[1], theirs[1])


@pytest.mark.parametrize("batch", [3, 8])
@pytest.mark.parametrize("cls", DISCRIMINATORS)
def test_groups_of_the_minibatch_deviation(cls: type[keras.Model], batch: int) -> None:
    both = pair(cls)
    x = pictures(16, batch)
    ours, theirs = call(both, x)
    assert_same(score(ours), score(theirs))


@pytest.mark.parametrize("psi", [0.0, 0.7, -0.5])
@pytest.mark.parametrize("cutoff", [0, 3, 8, 100])
def test_truncation(psi: float, cutoff: int) -> None:
    options = {"noise": noise_maps(2, 64), "psi": psi, "cutoff": cutoff}
    assert_same(*call(pair(networks.StyleGenerator), latents(), **options))


def test_truncation_by_a_psi_of_its_own_for_each_sample() -> None:
    network, twin = pair(networks.StyleGenerator, LABELS)
    inputs = (latents(), one_hot(2, LABELS), noise_maps(2, 64))
    ours = network(*inputs, psi=np.array([[0.2], [0.9]], "float32"), cutoff=5)
    for i, psi in enumerate((0.2, 0.9)):
        with torch.no_grad():
            theirs = call_twin(twin, *inputs, psi=psi, cutoff=5)
        assert_same(ours[i : i + 1], theirs[i : i + 1])


def test_mapping_on_its_own() -> None:
    network, twin = pair(networks.StyleGenerator, LABELS)
    assert_same(*call((network.mapping, twin.mapping), latents(4), one_hot(4, LABELS)))


def test_synthesis_on_its_own_with_a_style_for_each_layer() -> None:
    network, twin = pair(networks.StyleGenerator)
    ws = np.random.default_rng(3).normal(size=(2, 10, 512)).astype("float32")
    assert_same(*call((network.synthesis, twin.synthesis), ws, noise_maps(2, 64)))


@pytest.mark.slow
@pytest.mark.parametrize("cls", [*GENERATORS, *DISCRIMINATORS])
def test_the_papers_widths(cls: type[keras.Model]) -> None:
    both = pair.__wrapped__(cls, resolution=64)
    if cls in GENERATORS:
        ours, theirs = call(both, latents(1), **generator_options(cls, 1, 64))
    else:
        ours, theirs = call(both, pictures(64))
    assert_same(score(ours), score(theirs))


@pytest.mark.parametrize("cls", [*GENERATORS, *DISCRIMINATORS])
def test_from_128_px_where_the_original_fuses(cls: type[keras.Model]) -> None:
    both = pair.__wrapped__(cls, resolution=128, fmap_base=512, fmap_max=16)
    if cls in GENERATORS:
        options = generator_options(cls, 2, 128)
        ours, theirs = call(both, latents(), alpha=0.5, **options)
    else:
        ours, theirs = call(both, pictures(128), alpha=0.5)
    assert_same(score(ours), score(theirs))


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the length of the difference of two gradients, relative to PyTorch's."""
    assert ours.shape == theirs.shape
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def assert_same_gradients(
    network: keras.Model, twin: torch.nn.Module, gradients: list[Any]
) -> None:
    """Compares our gradients by trainable weight with the `.grad` of the twin's.

    Ours become the weights of another network, and so reach the twin's layout.
    """
    cls = type(network)
    carrier = cls.from_config(network.get_config())
    assert len(gradients) == len(carrier.trainable_variables) > 0
    for weight, gradient in zip(carrier.trainable_variables, gradients, strict=True):
        weight.assign(np.zeros(weight.shape) if gradient is None else gradient)
    ours = copy.deepcopy(twin)
    COPIES[cls](carrier, ours)
    compared = 0
    both = zip(ours.named_parameters(), twin.parameters(), strict=True)
    for (name, mine), other in both:
        if other.grad is None or not other.grad.any():
            assert not mine.any(), name
            continue
        compared += 1
        assert relative_error(mine.detach().numpy(), other.grad.numpy()) < TOLERANCE, (
            name
        )
    assert compared > len(gradients) / 3


def our_penalty(
    network: keras.Model, x: np.ndarray, target: float | None, **options: Any
) -> tuple[Any, Any, list[Any]]:
    """Returns d(scores)/d(x), a penalty on it and the penalty's gradients.

    The penalty is R1's squared norm if `target` is None, else the squared distance of
    the norm from the target, as in WGAN-GP.
    """

    def judge(images: tf.Tensor) -> tf.Tensor:
        return score(network(images, **options))

    images = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = judge(images)
    slope = tape.gradient(scores, images)
    with tf.GradientTape() as tape:
        _, square = penalties.squared_slopes(judge, images)
        penalty = tf.reduce_mean(square)
        if target is not None:
            penalty = penalties.gradient_penalty(square, target)
    return slope, penalty, tape.gradient(penalty, network.trainable_variables)


def their_penalty(
    twin: torch.nn.Module, x: np.ndarray, target: float | None, **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns what `our_penalty` does; the gradients are in the parameters' `.grad`."""
    images = to_torch(x).requires_grad_(True)
    total = score(twin(images, **{k: to_torch(v) for k, v in options.items()})).sum()
    (slope,) = torch.autograd.grad(total, images, create_graph=True)
    square = slope.square().sum(dim=(1, 2, 3))
    distance = square if target is None else (square.sqrt() - target).square()
    twin.zero_grad(set_to_none=True)
    distance.mean().backward()
    return slope.detach(), distance.mean().detach()


@pytest.mark.parametrize("target", [None, 1.0], ids=["r1", "wgan-gp"])
@pytest.mark.parametrize(
    ("cls", "label_size", "resolution", "alpha"),
    [
        (networks.StyleDiscriminator, 0, 64, 1.0),
        (networks.StyleDiscriminator, LABELS, 16, 0.3),
        (networks.ProgressiveDiscriminator, 0, 64, 1.0),
        (networks.ProgressiveDiscriminator, LABELS, 16, 0.3),
    ],
)
def test_penalties_on_the_discriminators_gradient(
    cls: type[keras.Model],
    label_size: int,
    resolution: int,
    alpha: float,
    target: float | None,
) -> None:
    network, twin = pair(cls, label_size)
    options = {"alpha": alpha} | discriminator_options(cls, 8, label_size)
    x = pictures(resolution, 8)
    slope, penalty, gradients = our_penalty(network, x, target, **options)
    their_slope, expected = their_penalty(twin, x, target, **options)
    their_slope = their_slope.permute(0, 2, 3, 1).numpy()
    assert relative_error(slope.numpy(), their_slope) < TOLERANCE
    assert float(penalty) == pytest.approx(float(expected), rel=TOLERANCE)
    assert_same_gradients(network, twin, gradients)


@pytest.mark.numerics
@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("cls", GENERATORS)
def test_the_generators_gradient(cls: type[keras.Model], alpha: float) -> None:
    network, twin = pair(cls, LABELS)
    inputs = (latents(), one_hot(2, LABELS))
    options = {"alpha": alpha} | generator_options(cls, 2, 64)
    direction = np.random.default_rng(6).normal(size=(2, 64, 64, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(*inputs, **options) * direction)
    gradients = tape.gradient(loss, network.trainable_variables)
    twin.zero_grad(set_to_none=True)
    images = call_twin(twin, *inputs, **options)
    (images * to_torch(direction)).sum().backward()
    assert_same_gradients(network, twin, gradients)


def parameters(network: keras.Model) -> int:
    return sum(math.prod(w.shape) for w in network.trainable_variables)


@pytest.mark.parametrize(
    ("resolution", "mapping", "synthesis"),
    [
        (64, 2_101_248, 23_036_687),
        (128, 2_101_248, 23_742_610),
        (256, 2_101_248, 23_984_981),
        (1024, 2_101_248, 24_118_379),
    ],
)
def test_size_of_the_style_generator(
    resolution: int, mapping: int, synthesis: int
) -> None:
    network = networks.StyleGenerator(resolution)
    assert parameters(network) == mapping + synthesis
    assert parameters(network.mapping) == mapping


@pytest.mark.parametrize(
    ("resolution", "count"),
    [(64, 22_498_049), (128, 22_941_313), (256, 23_052_353), (1024, 23_087_249)],
)
@pytest.mark.parametrize("cls", DISCRIMINATORS)
def test_size_of_the_discriminators(
    cls: type[keras.Model], resolution: int, count: int
) -> None:
    assert parameters(cls(resolution)) == count


@pytest.mark.parametrize(
    ("resolution", "count"), [(64, 22_490_383), (1024, 23_079_115)]
)
def test_size_of_the_progressive_generator(resolution: int, count: int) -> None:
    assert parameters(networks.ProgressiveGenerator(resolution)) == count


def test_copying_refuses_another_width() -> None:
    network, _ = pair(networks.StyleGenerator)
    wider = style_twin.StyleGenerator(**SMALL | {"fmap_max": 16})
    with pytest.raises(
        ValueError, match=r"a weight does not fit\. Received: \(1, 32, "
    ):
        style_twin.copy_style_generator(network, wider)
