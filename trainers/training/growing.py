"""What `trainers.progan` and `trainers.stylegan` share."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from tfgan_models.errors import UsageError
from trainers.evaluation import latent_samples
from trainers.training.recipe import Recipe, Span, length, option, tunable
from trainers.training.trainer import Trainer

if TYPE_CHECKING:
    import tensorflow as tf

    from tfgan_models.data.pipeline import Share
    from tfgan_models.data.source import LabelledSplits
    from tfgan_models.growing_gan import GrowingGAN
    from tfgan_models.growth import Growth
    from tfgan_models.optimizers import SkippingAdam

R = TypeVar("R", bound="GrowingRecipe")
M = TypeVar("M", bound="GrowingGAN")
_TICK_IMAGES = 10_000


@dataclasses.dataclass(frozen=True)
class GrowingRecipe(Recipe):
    """What the recipes of both papers have in common.

    Attributes:
        smallest: The resolution where growing starts, which differs by paper.
    """

    smallest: ClassVar[int]

    dataset: str = option(
        "emoji/render",
        "A bundled name (emoji/render), any TFDS name with images, or folder:PATH of "
        "images, one sub-folder per class if there are classes.",
    )
    image_size: int = option(1024, "Side of the images, a power of two of 8 or more.")
    batch_size: int = option(
        32,
        "Images per step, over all replicas, unless --batch_sizes has the resolution.",
    )
    batch_sizes: str = option(
        "4:512,8:256,16:128,32:64", "Images per step by resolution; empty: none."
    )
    kimg: float = length(25000.0, "Total images in thousands.")
    kimg_per_phase: float = option(
        600.0, "Thousands of images to fade in a resolution, and again to train it."
    )
    no_growing: bool = option(False, "Train at the full resolution from the start.")
    learning_rate: float = tunable(
        0.001, "Adam's rate, unless --learning_rates has the resolution."
    )
    learning_rates: str = tunable(
        "128:0.0015,256:0.002,512:0.003,1024:0.003",
        "Adam's rate by resolution; empty: none.",
    )
    beta_1: float = option(0.0, "Adam's beta 1.")
    beta_2: float = option(0.99, "Adam's beta 2.")
    ema_kimg: float = option(
        10.0, "Half-life of the averaged generator, in thousands of images."
    )
    latent_size: int = option(512, "Size of the latent.")
    fmap_base: int = option(8192, "Channels at resolution R are 2 * fmap_base / R ...")
    fmap_max: int = option(512, "... and never more than this.")
    classes: int = option(0, "Number of classes, that of the data set; 0: none.")
    gp_weight: float = tunable(
        10.0, "Weight of the gradient penalty, for wgan_gp only."
    )
    mirror: bool = option(True, "Flip half of the images horizontally.")
    augment: str = option(
        "none",
        "Augmentation of the discriminator's images, for small data sets.",
        ("none", "diffaug", "ada"),
    )
    ada_target: float = option(0.6, "Mean sign of D(real) that ada keeps.")
    ada_kimg: float = option(
        500.0, "Thousands of images it takes ada's probability to go from 0 to 1."
    )
    micro_batch: int = option(
        0, "Images of a replica processed at once, to save memory; 0: all."
    )

    def of_steps(self, steps: int, fixed: Collection[str]) -> Self:
        """See `Recipe`; phases are scaled with the whole."""
        if "kimg_per_phase" in fixed:
            return self._of(self.kimg_per_phase, steps)
        # Batch sizes differ by resolution: what share of the images do these steps see?
        low, high = 0.0, 1.0
        while self._scaled(high, steps).kimg > high * self.kimg:
            low, high = high, 2 * high
        for _ in range(50):
            middle = (low + high) / 2
            if self._scaled(middle, steps).kimg > middle * self.kimg:
                low = middle
            else:
                high = middle
        return self._scaled(high, steps)

    def of_kimg(self, kimg: float, fixed: Collection[str]) -> Self:
        """See `Recipe`; phases are scaled with the whole."""
        phase = self.kimg_per_phase
        if "kimg_per_phase" not in fixed:
            phase = max(0.001, round(phase * kimg / self.kimg, 3))
        return dataclasses.replace(self, kimg=kimg, kimg_per_phase=phase)

    def _scaled(self, factor: float, steps: int) -> Self:
        return self._of(max(0.001, round(factor * self.kimg_per_phase, 3)), steps)

    def _of(self, phase: float, steps: int) -> Self:
        """The recipe with phases of this length, in kimg, ending after `steps`."""
        from tfgan_models import growth

        endless = dataclasses.replace(self, kimg=1e12, kimg_per_phase=phase)
        last = growth.at_step(growth.phases(schedule(endless)), steps - 1)
        kimg = last.images_at(steps) / 1000
        return dataclasses.replace(self, kimg=kimg, kimg_per_phase=phase)


def trainer(
    name: str, presets: Mapping[str, R], build_model: Callable[[R], M]
) -> "Trainer[R, LabelledSplits, M]":
    """Returns the `Trainer` of a paper."""
    return Trainer(
        name,
        presets,
        load_data=load_data,
        plan=plan,
        batches=batches,
        build_model=build_model,
        samples=latent_samples.samples,
        tasks=latent_samples.tasks,
        check=schedule,
        reals=latent_samples.reals,
        generate="images",
    )


def schedule(recipe: GrowingRecipe) -> "Growth":
    """Returns a recipe's schedule.

    Args:
        recipe: The numbers.

    Raises:
        UsageError: The numbers are not valid.
    """
    from tfgan_models.growth import Growth

    size = recipe.image_size
    if size < 8 or size & (size - 1):
        raise UsageError(
            f"--image_size must be a power of two and at least 8. Received: {size}"
        )
    phase = round(1000 * recipe.kimg_per_phase)
    try:
        return Growth(
            resolution=size,
            first_resolution=size if recipe.no_growing else recipe.smallest,
            stable_images=phase,
            fade_images=phase,
            total_images=round(1000 * recipe.kimg),
            batch_size=recipe.batch_size,
            batch_sizes=_table("batch_sizes", recipe.batch_sizes, int),
            learning_rate=recipe.learning_rate,
            learning_rates=_table("learning_rates", recipe.learning_rates, float),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _table(name: str, text: str, number: type) -> dict[int, Any]:
    """Reads "8:256,16:128"."""
    table = {}
    for entry in filter(None, text.replace(" ", "").split(",")):
        try:
            resolution, value = entry.split(":")
            table[int(resolution)] = number(value)
        except ValueError as error:
            raise UsageError(
                f"--{name} lists a number per resolution, for example 8:256,16:128. "
                f"Received: {entry!r} in {text!r}"
            ) from error
    return table


def load_data(recipe: GrowingRecipe, data_dir: str | None) -> "LabelledSplits":
    """Returns the splits of `recipe.dataset`.

    Raises:
        UsageError: Its number of classes is not the recipe's.
    """
    from tfgan_models.data import catalog

    splits = catalog.labelled(recipe.dataset, data_dir)
    known = splits.train.classes
    if recipe.classes not in (0, len(known)):
        have = f"{len(known)} ({', '.join(known[:8])})" if known else "none"
        raise UsageError(
            f"--classes={recipe.classes} is not the number of classes of "
            f"{recipe.dataset}, which has {have}. Give --classes={len(known)}."
        )
    return splits


def plan(splits: "LabelledSplits", recipe: GrowingRecipe) -> list[Span]:
    """Returns a span for each phase of the schedule.

    Raises:
        UsageError: The data set has fewer images than a batch.
    """
    from tfgan_models import growth
    from tfgan_models.data import labelled

    phases = growth.phases(schedule(recipe))
    labelled.check_length(splits.train, max(phase.batch_size for phase in phases))
    return [
        Span(
            phase.first_step,
            phase.steps,
            phase.batch_size,
            max(1, _TICK_IMAGES // phase.batch_size),
            phase.first_image,
        )
        for phase in phases
    ]


def batches(
    splits: "LabelledSplits", recipe: GrowingRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches of the phase that `start_step` is in."""
    from tfgan_models import growth
    from tfgan_models.data import labelled

    phase = growth.at_step(growth.phases(schedule(recipe)), start_step)
    return labelled.train_batches(
        splits.train,
        image_size=recipe.image_size,
        resolution=phase.resolution,
        start_image=phase.images_at(start_step),
        mirror=recipe.mirror,
        **share,
    )


def optimizer(recipe: GrowingRecipe) -> "SkippingAdam":
    """Returns Adam with a recipe's numbers; the schedule sets its rate."""
    from tfgan_models.optimizers import SkippingAdam

    return SkippingAdam(
        recipe.learning_rate,
        beta_1=recipe.beta_1,
        beta_2=recipe.beta_2,
        epsilon=1e-8,
    )


def gan_options(recipe: GrowingRecipe) -> dict[str, Any]:
    """Returns the arguments of ProGAN and StyleGAN that a recipe determines."""
    return {
        "gp_weight": recipe.gp_weight,
        "ema_half_life": 1000 * recipe.ema_kimg,
        "micro_batch": recipe.micro_batch,
        "augment": recipe.augment,
        "ada_target": recipe.ada_target,
        "ada_speed": 1000 * recipe.ada_kimg,
        "seed": recipe.seed,
    }
