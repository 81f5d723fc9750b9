"""Gradient descent with Pylearn2's momentum and rate schedules, of the first GANs."""

import math
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfgan_models")
class ExponentialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """`learning_rate / decay ** step`, but at least `lowest`.

    Args:
        learning_rate: The rate of step 0.
        decay: Divisor of the rate at every step, 1 or more.
        lowest: The lowest rate.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, learning_rate: float, decay: float, lowest: float) -> None:
        if not 0 < lowest <= learning_rate or decay < 1:
            raise ValueError(
                "lowest must be above 0, learning_rate at least as much and decay 1 or "
                f"more. Received: learning_rate={learning_rate}, decay={decay}, "
                f"lowest={lowest}"
            )
        self.learning_rate = learning_rate
        self.decay = decay
        self.lowest = lowest

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Returns the float32 rate of `step`, counted from 0."""
        # Not a power of 1 / decay, which rounds to 1.
        exponent = -math.log(self.decay) * tf.cast(step, tf.float32)
        return tf.maximum(self.learning_rate * tf.exp(exponent), self.lowest)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "decay": self.decay,
            "lowest": self.lowest,
        }


def paper_sgd() -> "RisingMomentumSGD":
    """Returns the optimizer of the first GAN (arXiv:1406.2661), and of CGAN."""
    rate = ExponentialDecay(0.1, decay=1.000004, lowest=1e-6)
    return RisingMomentumSGD(rate, 0.5, 0.7, rise_steps=150_000)


@keras.saving.register_keras_serializable(package="tfgan_models")
class RisingMomentumSGD(keras.optimizers.SGD):
    """Gradient descent whose momentum rises linearly.

    Args:
        learning_rate: Step size, a number or a schedule.
        momentum: At the first step.
        final_momentum: From step `rise_steps` on.
        rise_steps: Number of steps over which it rises, 1 or more.
        **kwargs: `name` and the like of `keras.optimizers.SGD`.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.1,
        momentum: float = 0.5,
        final_momentum: float = 0.7,
        rise_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        if not 0 < momentum <= final_momentum < 1 or rise_steps < 1:
            raise ValueError(
                "momentum must be above 0, final_momentum at least as much and below "
                f"1, rise_steps 1 or more. Received: momentum={momentum}, "
                f"final_momentum={final_momentum}, rise_steps={rise_steps}"
            )
        super().__init__(learning_rate, momentum=momentum, **kwargs)
        self.final_momentum = final_momentum
        self.rise_steps = rise_steps

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: keras.Variable,
        learning_rate: float | tf.Tensor,
    ) -> None:
        """Updates one variable and its velocity."""
        done = tf.cast(self.iterations, tf.float32) / self.rise_steps
        rise = (self.final_momentum - self.momentum) * tf.minimum(done, 1.0)
        momentum = tf.cast(self.momentum + rise, variable.dtype)
        rate = tf.cast(learning_rate, variable.dtype)
        velocity = self.momentums[self._get_variable_index(variable)]
        step = velocity * momentum - tf.cast(gradient, variable.dtype) * rate
        self.assign(velocity, step)
        self.assign_add(variable, step)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        return config | {
            "final_momentum": self.final_momentum,
            "rise_steps": self.rise_steps,
        }
