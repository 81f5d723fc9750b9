"""The history of generated images from SimGAN (arXiv:1612.07828), as in CycleGAN."""

import tensorflow as tf


def query(
    stored_images: tf.Tensor, stored: tf.Tensor, images: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Passes images through a pool, one at a time, in their order.

    While the pool is not full an image is stored and returned. Then, with
    probability one half, a stored image chosen uniformly is returned and the new one
    takes its place; otherwise the new one is returned and nothing is stored.

    Args:
        stored_images: The pool, [P, H, W, C]; slots from `stored` on are empty.
        stored: Number of filled slots, int32.
        images: The new images, [N, H, W, C].
        seed: int32 [2], a key of `tf.random.stateless_uniform`.

    Returns:
        The discriminator's images [N, H, W, C], the new pool [P, H, W, C] and
        the new number of filled slots.
    """
    capacity = stored_images.shape[0]
    count = tf.shape(images)[0]
    coin_seed, slot_seed = tf.unstack(tf.random.split(seed))
    swap = tf.random.stateless_uniform([count], coin_seed) > 0.5
    slots = tf.random.stateless_uniform(
        [count], slot_seed, maxval=capacity, dtype=tf.int32
    )

    # Only positions in [pool, images] move; the pixels are gathered once at the end.
    def pass_one(
        i: tf.Tensor, pool: tf.Tensor, stored: tf.Tensor, shown: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        filling = stored < capacity
        slot = tf.where(filling, stored, slots[i])
        new = capacity + i
        keep = filling | swap[i]
        returned = tf.where(filling | ~swap[i], new, pool[slot])
        kept = tf.where(keep, new, pool[slot])
        pool = tf.tensor_scatter_nd_update(pool, [[slot]], [kept])
        return (
            i + 1,
            pool,
            stored + tf.cast(filling, tf.int32),
            shown.write(i, returned),
        )

    _, pool, stored, shown = tf.while_loop(
        lambda i, *_: i < count,
        pass_one,
        (0, tf.range(capacity), stored, tf.TensorArray(tf.int32, count)),
    )
    everything = tf.concat([stored_images, images], axis=0)
    shown_images = tf.ensure_shape(tf.gather(everything, shown.stack()), images.shape)
    return shown_images, tf.gather(everything, pool), stored


class ImagePool(tf.Module):
    """A pool of generated images, one per replica.

    The state is two variables that every replica reads and writes on its own:
    under `tf.distribute`, `strategy.experimental_local_results(variable)` are the
    replicas' copies, to be checkpointed one by one.

    Args:
        capacity: Images kept by each replica; 50 in CycleGAN. 0: images pass through.
        image_shape: (H, W, C) of the images.
        name: Name of the module.
    """

    def __init__(
        self,
        capacity: int,
        image_shape: tuple[int, int, int],
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.capacity = capacity
        if capacity:
            self.images = _local_variable(tf.zeros((capacity, *image_shape)))
            self.stored = _local_variable(tf.constant(0, tf.int32))

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the discriminator's images in place of `images` [N, H, W, C].

        Args:
            images: New float32 images.
            seed: int32 [2], different for every call and replica.
        """
        if not self.capacity:
            return images
        shown, pool, stored = query(
            self.images.read_value(), self.stored.read_value(), images, seed
        )
        self.images.assign(pool)
        self.stored.assign(stored)
        return shown


def _local_variable(value: tf.Tensor) -> tf.Variable:
    """A variable with a separate copy on each replica."""
    return tf.Variable(
        value,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
