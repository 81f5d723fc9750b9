"""What every trainer must do as a person starts it; adding one is one `Case`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

EVERY = ("--preset=cpu", "--batch_size=4", "--checkpoint_every=2")
SMALL = ("--latent_size=4", "--ema_decay=0.9")
STEPS = 9
LONGER = 24


@dataclass(frozen=True)
class Case:
    """A system with flags that make it tiny.

    Attributes:
        module: The trainer's module.
        flags: These, of `STEPS` steps in all.
        longer: Flags of `LONGER` steps, in which there is time to be killed.
        bad: A flag that cannot be, and what the one line of the error has.
        data: The data's layout: "pairs" side by side, or "photos", pictures in a
            folder for each class with their captions beside them.
        networks: The names of what it exports.
    """

    module: str
    flags: tuple[str, ...]
    bad: tuple[str, str]
    data: str = "photos"
    longer: tuple[str, ...] = (f"--steps={LONGER}",)
    networks: tuple[str, ...] = ("generator",)

    def __str__(self) -> str:
        """Names the case in a test's id."""
        return self.module


_STEPS = f"--steps={STEPS}"

CASES = [
    Case(
        "gan",
        ("--image_size=8", "--units=8", "--discriminator_units=8", *SMALL, _STEPS),
        ("--units=0", "units must be 1 or more. Received: units=0"),
    ),
    Case(
        "cgan",
        (
            "--image_size=32",
            "--filters=2",
            "--discriminator_filters=2",
            *SMALL,
            _STEPS,
        ),
        ("--classes=7", "--classes=7 is not the number of classes"),
    ),
    Case(
        "dcgan",
        (
            "--image_size=32",
            "--filters=2",
            "--discriminator_filters=2",
            *SMALL,
            _STEPS,
        ),
        ("--image_size=48", "--image_size must be a power of two and at least 16"),
    ),
    Case(
        "pix2pix",
        (
            "--image_size=32",
            "--filters=2",
            "--downsamplings=5",
            "--norm=batch",
            "--discriminator_filters=2",
            "--discriminator_layers=1",
            _STEPS,
        ),
        ("--image_size=48", "image_size=48 is not a multiple of 32"),
        data="pairs",
    ),
    Case(
        "srgan",
        (
            "--image_size=16",
            "--filters=2",
            "--residual_blocks=1",
            "--discriminator_filters=2",
            "--mse_steps=6",
            "--adversarial_steps=3",
        ),
        ("--scale=3", "--scale must be 2 or 4"),
        longer=("--mse_steps=9", "--adversarial_steps=15"),
        networks=("srresnet", "srgan"),
    ),
    Case(
        "stackgan",
        (
            "--image_size=32",
            "--stage_one_size=16",
            "--filters=8",
            "--discriminator_filters=4",
            "--embedding_size=4",
            "--condition_size=4",
            "--caption_length=8",
            "--captions=red heart;blue heart",
            "--matching_steps=3",
            "--first_stage_steps=3",
            "--second_stage_steps=3",
            "--residual_blocks=1",
            *SMALL,
        ),
        (
            "--image_size=48",
            "resolution must be a power of two and at least 32. Received: "
            "resolution=48",
        ),
        longer=(
            "--matching_steps=6",
            "--first_stage_steps=9",
            "--second_stage_steps=9",
        ),
    ),
]


def photos(root: Path) -> Path:
    """Makes a folder of 12 pictures of noise, 40 px, of two classes, with captions."""
    random = np.random.default_rng(0)
    for i in range(12):
        folder = root / ("cat" if i < 7 else "dog")
        folder.mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"{folder.name} {i}\n")
    return root


def pairs(root: Path) -> Path:
    """Makes a folder of pairs, side by side: noise, and plain red."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        (root / split).mkdir()
        for i in range(count):
            both = random.integers(0, 256, (20, 40, 3), np.uint8)
            both[:, 20:] = (255, 0, 0)
            Image.fromarray(both).save(root / split / f"{i}.png")
    return root


def flags_of(
    case: Case, data: dict[str, Path], run: Path, *more: str
) -> tuple[str, ...]:
    """Returns all flags of a training."""
    found = (f"--dataset=folder:{data[case.data]}", f"--model_dir={run}")
    return (*EVERY, *case.flags, *found, *more)
