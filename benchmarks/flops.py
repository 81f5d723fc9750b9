"""Floating-point operations of the networks, counted from their layers' shapes."""

import json
import math
import sys

import keras

from benchmarks.workers import PRODUCT_SIZE
from tfgan_models.networks import PatchDiscriminator, ResNetGenerator

# A step of CycleGAN with identity loss: forward passes of each network of a kind.
GENERATOR_FORWARDS = 3
DISCRIMINATOR_FORWARDS = 3
# Of the discriminator's passes, the one in the generators' step needs no gradients
# of its weights.
DISCRIMINATOR_WEIGHT_GRADIENTS = 2


def forward_flops(network: keras.Model, image_size: int) -> int:
    """Returns the operations of one image's forward pass: convolutions' MACs x 2.

    Args:
        network: A network with one image input.
        image_size: Side of the image in pixels.
    """
    return sum(_convolution_flops(network, image_size))


def step_flops(
    generator: keras.Model, discriminator: keras.Model, image_size: int
) -> int:
    """Returns the operations of one CycleGAN step with one image of each domain.

    A backward pass costs as much as the forward pass for the gradients of the inputs
    and as much again for those of the weights; where the input is a photograph, its
    gradient is not needed.

    Args:
        generator: Either generator.
        discriminator: Either discriminator.
        image_size: Side of the images in pixels.
    """
    g_layers = _convolution_flops(generator, image_size)
    d_layers = _convolution_flops(discriminator, image_size)
    generators = 3 * GENERATOR_FORWARDS * sum(g_layers)
    # Translation and identity start from photographs, the cycle does not.
    generators -= 2 * g_layers[0]
    discriminators = (
        2 * DISCRIMINATOR_FORWARDS + DISCRIMINATOR_WEIGHT_GRADIENTS
    ) * sum(d_layers)
    discriminators -= DISCRIMINATOR_WEIGHT_GRADIENTS * d_layers[0]
    return 2 * (generators + discriminators)


def _convolution_flops(network: keras.Model, image_size: int) -> list[int]:
    """Returns the operations of each convolution, in order."""
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    convolutions = [layer for layer in network.layers if isinstance(layer, kinds)]
    # Every kernel tap meets each output pixel; transposed, each input pixel.
    maps = [
        layer.input if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output
        for layer in convolutions
    ]
    shape = (1, image_size, image_size, network.input_shape[-1])
    sizes = keras.Model(network.input, maps).compute_output_shape(shape)
    return [
        2 * size[1] * size[2] * math.prod(layer.kernel.shape)
        for layer, size in zip(convolutions, sizes, strict=True)
    ]


def main(image_size: str, blocks: str, batch_size: str) -> None:
    """Prints the operations of each of the workers' tasks as one JSON object."""
    size, batch = int(image_size), int(batch_size)
    generator = ResNetGenerator(residual_blocks=int(blocks))
    operations = {
        "step": batch * step_flops(generator, PatchDiscriminator(), size),
        "inference": batch * forward_flops(generator, size),
        "product": 2 * PRODUCT_SIZE**3,
    }
    print(json.dumps(operations))


if __name__ == "__main__":
    main(*sys.argv[1:])
