"""Adam as ProGAN and StyleGAN use it (Kingma & Ba, arXiv:1412.6980); loss scales."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf


def scaled_if_float16(
    optimizer: keras.optimizers.Optimizer, networks: Iterable[keras.Model]
) -> keras.optimizers.Optimizer:
    """Wraps the optimizer for loss scaling if any layer computes in float16.

    Args:
        optimizer: Any; one that is already wrapped is returned unchanged.
        networks: The networks that it updates.
    """
    half = any(
        layer.compute_dtype == "float16"
        for network in networks
        for layer in network.layers
    )
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer inside a loss scale optimizer, if there is one."""
    return getattr(optimizer, "inner_optimizer", optimizer)


class OptimizersAsOne:
    """A GAN's optimizers as Keras's callbacks see them: `model.optimizer`.

    `ReduceLROnPlateau` and `LearningRateScheduler` read and set `learning_rate`.

    Args:
        optimizers: Returns those in use, built.
        steps: The number of training steps done.
    """

    built = True

    def __init__(
        self,
        optimizers: Callable[[], Sequence[keras.optimizers.Optimizer]],
        steps: tf.Variable,
    ) -> None:
        self._optimizers = optimizers
        self.iterations = steps

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of all optimizers in use."""
        return [v for optimizer in self._optimizers() for v in optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The first optimizer's; setting it changes the others' in proportion.

        From 0, all are set to the same.

        Raises:
            TypeError: One of them follows a schedule, when set.
        """
        return self._optimizers()[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        optimizers = self._optimizers()
        rates = [float(optimizer.learning_rate) for optimizer in optimizers]
        for optimizer, old in zip(optimizers, rates, strict=True):
            optimizer.learning_rate = rate * old / rates[0] if rates[0] else rate


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Resets an optimizer's moments and step count.

    Learning rate and loss scale stay.
    """
    for variable in inner(optimizer).variables:
        if "learning_rate" not in variable.name:
            variable.assign(tf.zeros(variable.shape, variable.dtype))


@keras.saving.register_keras_serializable(package="tfgan_models")
class SkippingAdam(keras.optimizers.Adam):
    """Adam in one kernel, which skips a step if a gradient is not finite.

    If a gradient of any replica holds a NaN or an infinity, then weights, moments and
    iterations are unchanged on all of them, and `skipped` counts it.

    Args:
        learning_rate: Step size, a number.
        beta_1: Decay of the mean.
        beta_2: Decay of the mean square.
        epsilon: Added to its root.
        **kwargs: `name` of `keras.optimizers.Adam`.
    """

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Creates the moments of `variables` and the counter."""
        super().build(variables)
        self.skipped = self.add_variable(
            shape=(),
            initializer="zeros",
            dtype="int64",
            aggregation="only_first_replica",
            name="skipped",
        )

    def apply(
        self,
        grads: Sequence[tf.Tensor],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Updates `trainable_variables`; call it in a replica context."""
        # A sum is finite only if its terms are, and needs no copy.
        sums = tf.stack([tf.reduce_sum(tf.cast(g, tf.float32)) for g in grads])
        bad = tf.reduce_any(~tf.math.is_finite(sums))
        context = tf.distribute.get_replica_context()
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(bad, tf.int64))
        skips = tf.minimum(count, 1)
        self._is_finite = tf.equal(count, 0)
        super().apply(grads, trainable_variables)
        self.skipped.assign_add(skips)
        self.iterations.assign_sub(tf.cast(skips, self.iterations.dtype))

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: float | tf.Tensor,
    ) -> None:
        """Updates one variable and its moments if all gradients are finite."""
        index = self._get_variable_index(variable)
        mean, square = (
            m[index].value.handle for m in (self._momentums, self._velocities)
        )
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)

        def update() -> tf.Operation:
            return tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean,
                v=square,
                beta1_power=tf.pow(tf.constant(self.beta_1, dtype), step),
                beta2_power=tf.pow(tf.constant(self.beta_2, dtype), step),
                lr=tf.cast(learning_rate, dtype),
                beta1=tf.constant(self.beta_1, dtype),
                beta2=tf.constant(self.beta_2, dtype),
                epsilon=tf.constant(self.epsilon, dtype),
                grad=tf.cast(gradient, dtype),
                use_locking=False,
            )

        tf.cond(self._is_finite, update, tf.no_op)

    def reset(self) -> None:
        """Resets moments and step count; `skipped` stays."""
        for variable in (*self._momentums, *self._velocities, self.iterations):
            variable.assign(tf.zeros(variable.shape, variable.dtype))
