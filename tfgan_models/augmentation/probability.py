"""The strength of augmentation: the controller of ADA (arXiv:2006.06676)."""

import tensorflow as tf


class AdaptiveProbability(tf.Module):
    """The probability of `ada`, which rises while the discriminator overfits.

    The measure is the paper's r_t, the mean sign of the discriminator's scores of
    reals. Every few steps the probability moves up where it is above the target, and
    down where it is below. Create it in `strategy.scope()`; all replicas see the same
    `probability`, a scalar variable that starts at 0. `tf.train.Checkpoint` saves it
    and what was accumulated since its last change.

    Args:
        target: The target of r_t.
        speed_images: Images it takes to go from 0 to 1; the paper uses
            500 thousand, and 100 thousand for fine-tuning from another data
            set's weights.
        interval: Steps between two changes.
        name: Name of the module.

    Raises:
        ValueError: `speed_images` or `interval` is below 1.
    """

    def __init__(
        self,
        target: float = 0.6,
        speed_images: float = 500_000,
        interval: int = 4,
        name: str | None = None,
    ) -> None:
        if speed_images < 1 or interval < 1:
            raise ValueError(
                "speed_images and interval must be at least 1. "
                f"Received: speed_images={speed_images}, interval={interval}"
            )
        super().__init__(name=name)
        self.target = target
        self.speed_images = speed_images
        self.interval = interval
        self.probability = _shared_variable(0.0, "probability")
        self.sign_sum = _shared_variable(0.0, "sign_sum")
        self.images = _shared_variable(0.0, "images")
        self.steps = _shared_variable(0, "steps", tf.int64)

    def update(self, mean_sign: tf.Tensor, images: int | tf.Tensor) -> None:
        """Accumulates one step's mean sign and, when it is due, changes `probability`.

        Call it once per step, in a replica context, outside `tf.cond`.

        Args:
            mean_sign: Mean sign of this replica's scores of augmented reals, a scalar:
                1 if it classifies all as real. A NaN counts as 0.
            images: Reals seen by all replicas in this step.
        """
        sign = tf.cast(mean_sign, tf.float32)
        # A NaN, possible in half precision, would stay in the probability forever.
        sign = tf.where(tf.math.is_finite(sign), sign, 0.0)
        context = tf.distribute.get_replica_context()
        mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, sign)
        images = tf.cast(images, tf.float32)
        sign_sum = self.sign_sum + mean * images
        seen = self.images + images
        steps = self.steps + 1

        due = tf.equal(steps % self.interval, 0)
        direction = tf.sign(sign_sum / seen - self.target)
        moved = self.probability + direction * seen / self.speed_images
        moved = tf.clip_by_value(moved, 0.0, 1.0)
        # Not tf.cond: an assignment in it would be refused under MirroredStrategy.
        self.probability.assign(tf.where(due, moved, self.probability))
        self.sign_sum.assign(tf.where(due, 0.0, sign_sum))
        self.images.assign(tf.where(due, 0.0, seen))
        self.steps.assign(steps)


def _shared_variable(
    value: float, name: str, dtype: tf.DType = tf.float32
) -> tf.Variable:
    """A variable that is the same on all replicas."""
    return tf.Variable(
        value,
        dtype=dtype,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        name=name,
    )
