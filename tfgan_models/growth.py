"""When a progressively growing GAN grows (arXiv:1710.10196, arXiv:1812.04948).

Training starts at a low resolution. Each next one is faded in over `fade_images`
images and then trained for `stable_images`; the last one is trained until
`total_images`. Everything here is a function of the images seen.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar


class Steps:
    """Equal steps of a run, as a dataclass with these attributes.

    Attributes:
        first_step: The first step.
        steps: Number of steps.
        batch_size: Images per step, over all replicas.
        first_image: Images seen before it.
    """

    first_step: int
    steps: int
    batch_size: int
    first_image: int

    @property
    def end_step(self) -> int:
        """The step after the last one."""
        return self.first_step + self.steps

    def images_at(self, step: int) -> int:
        """Returns the images seen before a step."""
        return self.first_image + (step - self.first_step) * self.batch_size


S = TypeVar("S", bound=Steps)


@dataclasses.dataclass(frozen=True)
class Growth:
    """The numbers of a schedule.

    Args:
        resolution: Side of the full-size images, a power of two.
        first_resolution: Where training starts; `resolution` for no growing.
        stable_images: Images at a resolution before the next fade.
        fade_images: Images while a resolution is faded in.
        total_images: Total number of images.
        batch_size: Images per step ...
        batch_sizes: ... unless this has the resolution.
        learning_rate: Adam's rate ...
        learning_rates: ... unless this has the resolution.

    Raises:
        ValueError: A number is out of range.
    """

    resolution: int
    first_resolution: int
    stable_images: int
    fade_images: int
    total_images: int
    batch_size: int
    batch_sizes: Mapping[int, int] = dataclasses.field(default_factory=dict)
    learning_rate: float = 0.001
    learning_rates: Mapping[int, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("resolution", "first_resolution"):
            value = getattr(self, name)
            if value < 4 or value & (value - 1):
                raise ValueError(
                    f"{name} must be a power of two and at least 4. Received: {value}"
                )
        if self.first_resolution > self.resolution:
            raise ValueError(
                "first_resolution must not be above resolution. Received: "
                f"first_resolution={self.first_resolution}, "
                f"resolution={self.resolution}"
            )
        counts = (self.stable_images, self.fade_images, self.total_images)
        if min(counts) < 1:
            raise ValueError(
                "stable_images, fade_images and total_images must be 1 or more. "
                f"Received: {counts}"
            )
        for resolution in _ladder(self):
            if self.batch_size_at(resolution) < 1:
                raise ValueError(
                    "A batch must have 1 image or more. Received: "
                    f"{self.batch_size_at(resolution)} at {resolution} px"
                )
            if not self.learning_rate_at(resolution) > 0:
                raise ValueError(
                    "A learning rate must be above 0. Received: "
                    f"{self.learning_rate_at(resolution)} at {resolution} px"
                )

    def batch_size_at(self, resolution: int) -> int:
        """Returns the images per step at a resolution."""
        return self.batch_sizes.get(resolution, self.batch_size)

    def learning_rate_at(self, resolution: int) -> float:
        """Returns Adam's rate at a resolution."""
        return self.learning_rates.get(resolution, self.learning_rate)


@dataclasses.dataclass(frozen=True)
class Phase(Steps):
    """Steps of one kind: a resolution being faded in, or stable.

    Attributes:
        resolution: Side of the images that are shown.
        is_fading: Whether this resolution is being faded in.
        batch_size: Images of a step.
        learning_rate: Adam's rate.
        first_step: The first step.
        steps: How many there are.
        first_image: Images seen before it.
        fade_start: Images seen when alpha is 0, in a fade.
        fade_images: Images after which alpha is 1.
    """

    resolution: int
    is_fading: bool
    batch_size: int
    learning_rate: float
    first_step: int
    steps: int
    first_image: int
    fade_start: int
    fade_images: int


def phases(growth: Growth) -> list[Phase]:
    """Lists the phases of a run, from its first step to its last.

    A phase starts with the first step at or after its beginning: the batches of the
    phase before may overshoot it.
    """
    starts = _starts(growth)
    ends = [*starts[1:], growth.total_images]
    listed: list[Phase] = []
    step = images = 0
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        resolution, is_fading = _kind(growth, place)
        batch = growth.batch_size_at(resolution)
        steps = max(0, -(-(min(end, growth.total_images) - images) // batch))
        if steps:
            listed.append(
                Phase(
                    resolution=resolution,
                    is_fading=is_fading,
                    batch_size=batch,
                    learning_rate=growth.learning_rate_at(resolution),
                    first_step=step,
                    steps=steps,
                    first_image=images,
                    fade_start=start,
                    fade_images=growth.fade_images,
                )
            )
        step += steps
        images += steps * batch
    return listed


def at_step(spans: Sequence[S], step: int) -> S:
    """Returns the span that a step is in.

    Args:
        spans: `Phase`s or the like.
        step: The step; after the last one's end the last one is returned.
    """
    return next((span for span in spans if step < span.end_step), spans[-1])


def _ladder(growth: Growth) -> list[int]:
    count = int(math.log2(growth.resolution // growth.first_resolution)) + 1
    return [growth.first_resolution * 2**i for i in range(count)]


def _starts(growth: Growth) -> list[int]:
    """The images seen when each phase starts: stable, fade, stable, fade, ..."""
    starts = [0]
    for _ in _ladder(growth)[1:]:
        starts.append(starts[-1] + growth.stable_images)
        starts.append(starts[-1] + growth.fade_images)
    return starts


def _kind(growth: Growth, place: int) -> tuple[int, bool]:
    return _ladder(growth)[(place + 1) // 2], place % 2 == 1
