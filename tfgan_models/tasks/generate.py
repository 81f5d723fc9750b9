"""Generating images from seeds: GAN, CGAN, DCGAN, ProGAN and StyleGAN."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from tfgan_models.errors import UsageError
from tfgan_models.runs.opening import Opened
from tfgan_models.tasks import (
    directions,
    generator_networks,
    morph,
    projection,
    synthesis,
)
from tfgan_models.tasks.generators import Generator, StyleModel
from tfgan_models.tasks.images import Given, to_image
from tfgan_models.tasks.model import Model
from tfgan_models.tasks.synthesis import Setting

PSI = 0.7
"""Default truncation psi, if there is a w."""


class ImageGenerator(Model):
    """A network that generates images from latents.

    A seed's latent and noise are the same on every machine, and its image does not
    depend on what else is generated. `label` is a class, its index or name, for models
    with classes. The methods `mix`, `project` and `directions`, and the arguments `psi`
    (truncation, -2 to 2) and `noise` ("const": the same in all images; "random": each
    different; "none") are for generators with a w: StyleGAN.

    Attributes:
        generator: Its functions.
    """

    generator: Generator

    @property
    def styles(self) -> StyleModel:
        """Its functions, if there is a w.

        Raises:
            UsageError: There is none.
        """
        if not isinstance(self.generator, StyleModel):
            raise UsageError(
                f"{self.where} has no w, which only generators with styles have."
            )
        return self.generator

    def arrays(
        self,
        seeds: Iterable[int],
        psi: float | None = None,
        label: int | str | None = None,
        noise: str | None = None,
    ) -> np.ndarray:
        """Returns the images of seeds, float32 [N, R, R, C], about [-1, 1].

        Raises:
            UsageError: An argument does not apply to the generator.
        """
        setting = self.setting(psi, label, noise)
        made = [synthesis.from_seed(self.generator, seed, setting) for seed in seeds]
        if not made:
            raise UsageError("seeds must have at least one. Received: none")
        return np.stack(made)

    def generate(
        self,
        seeds: Iterable[int],
        psi: float | None = None,
        label: int | str | None = None,
        noise: str | None = None,
    ) -> list[Image.Image]:
        """Returns the images of seeds; see `arrays`."""
        return [to_image(image) for image in self.arrays(seeds, psi, label, noise)]

    def mix(
        self,
        seed: int,
        other: int,
        styles: str = "coarse",
        psi: float | None = None,
        label: int | str | None = None,
        noise: str | None = None,
    ) -> Image.Image:
        """Returns a seed's image with "coarse", "middle" or "fine" styles of another.

        Raises:
            UsageError: The generator has no such styles, or no w.
        """
        setting = self.setting(psi, label, noise)
        ws = synthesis.mixed(self.styles, seed, other, styles, setting)
        return to_image(synthesis.from_w(self.styles, ws, setting.noise_seed(seed)))

    def morph(
        self,
        seeds: Iterable[int],
        frames: int = 240,
        space: str | None = None,
        psi: float | None = None,
        label: int | str | None = None,
        noise: str | None = None,
    ) -> morph.Video:
        """Returns a video from seed to seed that ends where it starts; see its `save`.

        Args:
            seeds: Passed through at equal intervals.
            frames: Frames of the whole loop.
            space: "w" (default, if there is one) or "z".
            psi: See the class.
            label: See the class.
            noise: See the class.
        """
        has_w = isinstance(self.generator, StyleModel)
        if space not in (None, "z") and not (space == "w" and has_w):
            allowed = "w or z" if has_w else "z: this generator has no w"
            raise UsageError(f"space must be {allowed}. Received: {space}")
        space = space or ("w" if has_w else "z")
        setting = self.setting(psi, label, noise)
        return morph.Video(self.generator, tuple(seeds), setting, space, frames)

    def project(
        self,
        image: Given,
        space: str = "w+",
        steps: int = 1000,
        seed: int = 0,
        label: int | str | None = None,
        noise: str | None = None,
    ) -> projection.Projection:
        """Projects an image to w by optimisation (arXiv:1912.04958, appendix D).

        Args:
            image: A file, an image of Pillow or an array; its centre square is taken.
            space: "w+": one w per style layer; "w": one for all.
            steps: Optimisation steps.
            seed: For its noise.
            label: See the class.
            noise: See the class.
        """
        setting = self.setting(None, label, noise)
        return projection.project(self.styles, image, space, steps, seed, setting)

    def directions(self, count: int = 5, layers: str = "all") -> directions.Directions:
        """Finds the directions that change images most (SeFa, arXiv:2007.06600).

        Args:
            count: Number of directions.
            layers: "all", "coarse", "middle" or "fine": the style layers to factorise.
        """
        return directions.find(self.styles, layers, count)

    def setting(
        self, psi: float | None, label: int | str | None, noise: str | None
    ) -> Setting:
        """Returns how images are generated, with defaults for None.

        Raises:
            UsageError: An argument does not apply to the generator, or there is no such
                class.
        """
        if not isinstance(self.generator, StyleModel):
            for name, value in (("psi", psi), ("noise", noise)):
                if value is not None:
                    raise UsageError(
                        f"This generator has no {name}: omit {name}. Received: {value}"
                    )
        return Setting(self.label(label), PSI if psi is None else psi, noise or "const")

    def label(self, given: int | str | None) -> int | None:
        """Returns the index of a class; None for a model without classes.

        Args:
            given: Its index or name.

        Raises:
            UsageError: There is no such class, or none is given.
        """
        size, names = self.facts.label_size, self.description.classes
        if not size:
            if given is None:
                return None
            raise UsageError(f"class={given}: the model has no classes. Omit it.")
        if str(given).isdecimal() and int(given or 0) < size:
            return int(given or 0)
        if given in names:
            return names.index(str(given))
        known = f", or one of: {', '.join(names)}" if names else ""
        raise UsageError(
            f"The model has {size} classes: give 0 to {size - 1}{known}. "
            f"Received: {'none' if given is None else given}"
        )


def opened(found: Opened, name: str) -> ImageGenerator:
    """Returns a network that generates images from latents.

    Raises:
        UsageError: Its images are neither greyscale nor RGB.
    """
    model = ImageGenerator(found, name)
    if model.facts.channels not in (1, 3):
        raise UsageError(
            f"{found.where} generates images of {model.facts.channels} channels. "
            "Allowed: 1 or 3."
        )
    if found.loaded is not None:
        made = generator_networks.of_saved_model(found.loaded, model.facts)
    else:
        made = generator_networks.of_network(model.network, model.facts)
    model.generator = made
    return model
