"""The table of systems.

`tfgan_models/<name>.py` implements the paper, `trainers/<name>.py` trains it.
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class System:
    """What is known about a system without importing it.

    Attributes:
        model: Its class in `tfgan_models`.
        title: The paper's title.
        arxiv: The paper's id.
        task: What its generators do, one of `TASKS`.
        draws: What a user gets, in one line.
        networks: The paper's network classes, and their roles.
    """

    model: str
    title: str
    arxiv: str
    task: str
    draws: str
    networks: Mapping[str, str]


TASKS = {
    "generate": "generates images from latents",
    "translate": "translates an image into another",
    "upscale": "enlarges an image",
    "caption": "generates images from text",
}

SYSTEMS = {
    "gan": System(
        model="GAN",
        title="Generative Adversarial Networks",
        arxiv="1406.2661",
        task="generate",
        draws="small images like yours, from dense networks",
        networks={"MLPGenerator": "generator"},
    ),
    "cgan": System(
        model="CGAN",
        title="Conditional Generative Adversarial Nets",
        arxiv="1411.1784",
        task="generate",
        draws="images of the class you ask for",
        networks={"ConditionalMLPGenerator": "generator"},
    ),
    "dcgan": System(
        model="DCGAN",
        title="Unsupervised Representation Learning with Deep Convolutional "
        "Generative Adversarial Networks",
        arxiv="1511.06434",
        task="generate",
        draws="images like yours at 32 to 128 px, from convolutional networks",
        networks={"DCGANGenerator": "generator"},
    ),
    "progan": System(
        model="ProGAN",
        title="Progressive Growing of GANs for Improved Quality, Stability, and "
        "Variation",
        arxiv="1710.10196",
        task="generate",
        draws="large images like yours, from progressively grown networks",
        networks={"ProgressiveGenerator": "generator"},
    ),
    "stylegan": System(
        model="StyleGAN",
        title="A Style-Based Generator Architecture for Generative Adversarial "
        "Networks",
        arxiv="1812.04948",
        task="generate",
        draws="the same, with style mixing, editing and projection",
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
        draws="image translation, learnt from pairs",
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
        draws="image translation both ways, learnt without pairs",
        networks={"ResNetGenerator": "residual generator"},
    ),
    "srgan": System(
        model="SRGAN",
        title="Photo-Realistic Single Image Super-Resolution Using a Generative "
        "Adversarial Network",
        arxiv="1609.04802",
        task="upscale",
        draws="photos of any size, enlarged 2 or 4 times",
        networks={"SRResNet": "generator"},
    ),
    "stackgan": System(
        model="StackGAN",
        title="StackGAN: Text to Photo-realistic Image Synthesis with Stacked "
        "Generative Adversarial Networks",
        arxiv="1612.03242",
        task="caption",
        draws="images from text",
        networks={
            "StackGenerator": "generator, both stages",
            "StageOneGenerator": "generator of Stage I",
            "CharacterEncoder": "text encoder",
        },
    ),
}
"""The systems by name, in the order in which they are listed."""


def of_network(network: str) -> tuple[System, str] | None:
    """Returns the system that introduced a network class, and the network's role."""
    for system in SYSTEMS.values():
        if network in system.networks:
            return system, system.networks[network]
    return None
