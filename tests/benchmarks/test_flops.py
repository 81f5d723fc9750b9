"""Counted operations against those that layers' shapes and the papers' steps give."""

import keras
import pytest
import tensorflow as tf

from benchmarks import cyclegan, flops, stylegan
from tfgan_models import penalties
from tfgan_models.networks import PatchDiscriminator, StyleDiscriminator

# 3x3 from 2 to 5 channels at 8x6 pixels of 4 images, then 240 numbers to 1.
KERNEL, IMAGES, DENSE = (3, 3, 2, 5), (4, 8, 6, 2), (240, 1)
CONVOLUTION = 2 * 3 * 3 * 2 * 5 * 4 * 8 * 6
PRODUCT = 2 * 240 * 4


def judge(images: tf.Tensor, kernel: tf.Tensor, dense: tf.Tensor) -> tf.Tensor:
    x = tf.nn.leaky_relu(tf.nn.conv2d(images, kernel, 1, "SAME"))
    return tf.matmul(tf.reshape(x, (4, -1)), dense)


def arguments() -> list[tf.Tensor]:
    return [tf.ones(shape) for shape in (IMAGES, KERNEL, DENSE)]


@tf.function(autograph=False)
def weight_gradients(images: tf.Tensor, kernel: tf.Tensor, dense: tf.Tensor) -> object:
    return tf.gradients(judge(images, kernel, dense), (kernel, dense))


@tf.function(autograph=False)
def r1_gradients(images: tf.Tensor, kernel: tf.Tensor, dense: tf.Tensor) -> object:
    with tf.GradientTape() as tape:
        tape.watch((kernel, dense))
        scores, slopes = penalties.squared_slopes(
            lambda x: judge(x, kernel, dense), images
        )
        total = tf.reduce_sum(scores) + tf.reduce_sum(slopes)
    return tape.gradient(total, (kernel, dense))


@pytest.mark.parametrize(
    ("function", "operations"),
    [
        (tf.function(judge), CONVOLUTION + PRODUCT),
        # The scores and the images' gradient are in the graph, and of no use.
        (weight_gradients, 2 * CONVOLUTION + 2 * PRODUCT),
        # Besides: back to the images, and of this the gradients with respect to the
        # weights and to what came from above, which for the scores is a constant.
        (r1_gradients, 5 * CONVOLUTION + 4 * PRODUCT),
    ],
    ids=["forward", "gradients", "second order"],
)
def test_of_a_small_network(function: object, operations: int) -> None:
    assert flops.count(function, *arguments()) == operations


def test_of_transposed_and_depthwise_convolutions() -> None:
    @tf.function(autograph=False)
    def both(images: tf.Tensor) -> tf.Tensor:
        up = tf.nn.conv2d_transpose(
            images, tf.ones((4, 4, 5, 2)), (4, 16, 12, 5), 2, "SAME"
        )
        return tf.nn.depthwise_conv2d(up, tf.ones((3, 3, 5, 1)), [1] * 4, "SAME")

    # 4 of the 16 taps meet a pixel.
    expected = 2 * (4 * 2 * 5 + 9 * 5) * 4 * 16 * 12
    assert flops.count(both, tf.ones(IMAGES)) == expected


def test_refuses_what_it_cannot_count() -> None:
    @tf.function(
        autograph=False, input_signature=[tf.TensorSpec((None, 3), tf.float32)]
    )
    def product(x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, tf.ones((3, 3)))

    with pytest.raises(ValueError, match=r"Every size must be known.*MatMul"):
        flops.count(product)

    @tf.function(autograph=False)
    def loop(x: tf.Tensor) -> tf.Tensor:
        return tf.foldl(lambda a, _: tf.matmul(a, x), tf.zeros(3), tf.ones((3, 3)))

    with pytest.raises(ValueError, match="Operations of loops"):
        flops.count(loop, tf.ones((3, 3)))


def forward(network: keras.Model, *shape: int) -> int:
    function = tf.function(network, autograph=False)
    return flops.count(function, tf.zeros(shape))


@pytest.mark.slow
def test_of_cyclegan() -> None:
    size, batch = 32, 2
    tasks = cyclegan.tensorflow_tasks(image_size=size, blocks=1, batch_size=batch)
    # 7x7, two halvings, a block, two doublings, 7x7.
    ends = 2 * 49 * 3 * 64 * size**2
    halvings = 2 * 9 * (64 * 128 * size**2 // 4 + 128 * 256 * size**2 // 16)
    block = 2 * 2 * 9 * 256 * 256 * size**2 // 16
    generator = 2 * ends + 2 * halvings + block
    assert tasks["inference"].operations == batch * generator
    # Each generator draws three images: of these, two from photographs, which need no
    # gradient. Each discriminator judges for its own step a photograph and a fake,
    # which need none either, and a fake for the generators, without its own weights'.
    discriminator = forward(PatchDiscriminator(), 1, size, size, 3)
    first = 2 * 16 * 3 * 64 * size**2 // 4
    step = 9 * generator - 2 * ends + 8 * discriminator - 2 * first
    assert tasks["step"].operations == 2 * batch * step


@pytest.mark.slow
def test_of_stylegan() -> None:
    sizes = {"fmap_base": 8192, "fmap_max": 64}
    tasks = stylegan.tensorflow_tasks(image_size=16, batch_size=4, **sizes)
    discriminator = forward(StyleDiscriminator(16, **sizes), 4, 16, 16, 3)
    mapping = 8 * 2 * 512 * 512 * 4
    synthesis = tasks["generate"].operations - mapping
    # Drawn twice, once with gradients; each time of two latents. Judged thrice: a real
    # one with R1 (6), a fake (3), and a fake without gradients of the weights (2).
    expected = 4 * (synthesis + 2 * mapping) + 11 * discriminator
    assert tasks["step"].operations == pytest.approx(expected, rel=0.03)
