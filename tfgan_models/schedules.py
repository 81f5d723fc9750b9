"""Learning-rate schedules."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfgan_models")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then linear towards zero: CycleGAN's schedule (arXiv:1703.10593).

    At step s of `total_steps` the rate is `learning_rate` until `decay_start`, then
    `learning_rate * (total_steps - s) / (total_steps - decay_start)`: the last step,
    `total_steps - 1`, still moves the weights. Zero from `total_steps` on.

    Args:
        learning_rate: The rate before the decay.
        decay_start: The step at which the decay begins.
        total_steps: The total number of steps.

    Raises:
        ValueError: `learning_rate` is not above 0, or `decay_start` is not in
            [0, total_steps).
    """

    def __init__(
        self, learning_rate: float, decay_start: int, total_steps: int
    ) -> None:
        if learning_rate <= 0:
            raise ValueError(
                "learning_rate must be above 0. Received: "
                f"learning_rate={learning_rate}"
            )
        if not 0 <= decay_start < total_steps:
            raise ValueError(
                "decay_start must be at least 0 and below total_steps. Received: "
                f"decay_start={decay_start}, total_steps={total_steps}"
            )
        self.learning_rate = learning_rate
        self.decay_start = decay_start
        self.total_steps = total_steps

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Returns the float32 rate of `step`, counted from 0."""
        left = self.total_steps - tf.cast(step, tf.float32)
        factor = left / (self.total_steps - self.decay_start)
        return self.learning_rate * tf.clip_by_value(factor, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "decay_start": self.decay_start,
            "total_steps": self.total_steps,
        }


def halving(
    learning_rate: float, every: int, times: int
) -> keras.optimizers.schedules.PiecewiseConstantDecay:
    """Returns a rate halved at regular intervals: StackGAN's (arXiv:1612.03242).

    At step s the rate is `learning_rate * 0.5 ** min(floor(s / every), times)`.

    Args:
        learning_rate: The rate of the first `every` steps.
        every: Steps between two halvings.
        times: Number of halvings, 1 or more.

    Raises:
        ValueError: `learning_rate` is not above 0, or another number is below 1.
    """
    if learning_rate <= 0 or every < 1 or times < 1:
        raise ValueError(
            "learning_rate must be above 0, every and times 1 or more. Received: "
            f"learning_rate={learning_rate}, every={every}, times={times}"
        )
    # Not ExponentialDecay: graphs divide by multiplying, and halve one step too late.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [every * (i + 1) - 1 for i in range(times)],
        [learning_rate * 0.5**i for i in range(times + 1)],
    )


@keras.saving.register_keras_serializable(package="tfgan_models")
class HalvingEvery(keras.optimizers.schedules.PiecewiseConstantDecay):
    """The former class of `halving`, which old .keras files name."""

    @classmethod
    def from_config(
        cls, config: dict[str, Any]
    ) -> keras.optimizers.schedules.PiecewiseConstantDecay:
        """Returns Keras's schedule; 30 halvings are more than any run has."""
        return halving(**config, times=30)
