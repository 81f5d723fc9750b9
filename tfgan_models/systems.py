"""The one table of systems.

Of each, `tfgan_models/<name>.py` is the paper and `trainers/<name>.py` trains it.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class System:
    """What there is to know of a system without importing it.

    Attributes:
        model: Its class in `tfgan_models`.
        title: The paper's.
        arxiv: The paper's id.
        task: What its generators do, one of `TASKS`.
        draws: What a person gets, in a line.
        networks: Classes of networks that the paper brought, and what they are.
    """

    model: str
    title: str
    arxiv: str
    task: str
    draws: str
    networks: Mapping[str, str]


TASKS = {
    "generate": "draws images of latents",
    "translate": "draws an image of an image",
    "upscale": "draws a larger image of an image",
    "caption": "draws images of a text",
}

SYSTEMS = {
    "gan": System(
        model="GAN",
        title="Generative Adversarial Networks",
        arxiv="1406.2661",
        task="generate",
        draws="small pictures like yours, by dense networks",
        networks={"MLPGenerator": "generator"},
    ),
    "cgan": System(
        model="CGAN",
        title="Conditional Generative Adversarial Nets",
        arxiv="1411.1784",
        task="generate",
        draws="pictures of the class you ask for",
        networks={"ConditionalMLPGenerator": "generator"},
    ),
    "dcgan": System(
        model="DCGAN",
        title="Unsupervised Representation Learning with Deep Convolutional "
        "Generative Adversarial Networks",
        arxiv="1511.06434",
        task="generate",
        draws="pictures like yours of 32 to 128 px, by convolutions",
        networks={"DCGANGenerator": "generator"},
    ),
    "progan": System(
        model="ProGAN",
        title="Progressive Growing of GANs for Improved Quality, Stability, and "
        "Variation",
        arxiv="1710.10196",
        task="generate",
        draws="large pictures like yours, by networks that grow",
        networks={"ProgressiveGenerator": "generator"},
    ),
    "stylegan": System(
        model="StyleGAN",
        title="A Style-Based Generator Architecture for Generative Adversarial "
        "Networks",
        arxiv="1812.04948",
        task="generate",
        draws="the same with styles to mix, to edit and to project into",
        networks={
            "StyleGenerator": "generator",
            "StyleDiscriminator": "discriminator",
        },
    ),
    "pix2pix": System(
        model="Pix2Pix",
        title="Image-to-Image Translation with Conditional Adversarial Networks",
        arxiv="1611.07004",
        task="translate",
        draws="translation of images, learnt from pairs",
        networks={
            "UNetGenerator": "U-Net",
            "PatchDiscriminator": "discriminator",
            "PixelDiscriminator": "discriminator of single pixels",
        },
    ),
    "cyclegan": System(
        model="CycleGAN",
        title="Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
        "Networks",
        arxiv="1703.10593",
        task="translate",
        draws="translation both ways, learnt without pairs",
        networks={"ResNetGenerator": "residual generator"},
    ),
    "srgan": System(
        model="SRGAN",
        title="Photo-Realistic Single Image Super-Resolution Using a Generative "
        "Adversarial Network",
        arxiv="1609.04802",
        task="upscale",
        draws="photographs 2 or 4 times as large, of any size",
        networks={"SRResNet": "generator"},
    ),
    "stackgan": System(
        model="StackGAN",
        title="StackGAN: Text to Photo-realistic Image Synthesis with Stacked "
        "Generative Adversarial Networks",
        arxiv="1612.03242",
        task="caption",
        draws="pictures of what a text says",
        networks={
            "StackGenerator": "generator, both stages",
            "StageOneGenerator": "generator of Stage I",
            "CharacterEncoder": "text encoder",
        },
    ),
}
"""The systems by name, as they are listed."""


def of_network(network: str) -> tuple[System, str] | None:
    """Returns the system that brought a class of networks, and what it is there."""
    for system in SYSTEMS.values():
        if network in system.networks:
            return system, system.networks[network]
    return None
