"""Minibatch standard deviation (Karras et al., arXiv:1710.10196, section 3)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor, known_channels


@keras.saving.register_keras_serializable(package="tfgan_models")
class MinibatchStdDev(keras.layers.Layer):
    """Appends a channel that measures how much the images of a group differ.

    The batch is divided into M = N / G groups of G; group m has the samples m, m + M,
    m + 2M, ... Its number is the standard deviation over the group, averaged over
    height, width and channels. In distributed training the batch is each replica's own.

    Args:
        group_size: G; a smaller batch is one group.
        epsilon: Added to the variance.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C] with N a multiple of G; output [N, H, W, C + 1].

    Raises:
        ValueError: `group_size` is below 1, or the batch is not a multiple of it.
    """

    def __init__(
        self, group_size: int = 4, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if group_size < 1:
            raise ValueError(
                f"group_size must be 1 or more. Received: group_size={group_size}"
            )
        self.group_size = group_size
        self.epsilon = epsilon

    def call(self, inputs: Tensor) -> Tensor:
        """Appends the channel to `inputs` [N, H, W, C]."""
        batch = ops.shape(inputs)[0]
        if isinstance(batch, int):
            group = min(self.group_size, batch)
            if batch % group:
                raise ValueError(
                    f"The batch must be a multiple of group_size={group}. Received: "
                    f"batch of {batch}"
                )
        else:
            group = ops.minimum(self.group_size, batch)
        half = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
        x = ops.cast(inputs, "float32") if half else inputs
        height, width, channels = inputs.shape[1:]
        groups = ops.reshape(x, (group, -1, height * width * channels))
        centred = groups - ops.mean(groups, axis=0, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=0)
        deviation = ops.mean(ops.sqrt(variance + self.epsilon), axis=-1)
        tiled = ops.reshape(ops.tile(deviation, [group]), (-1, 1, 1, 1))
        plane = ops.ones_like(x[..., :1]) * tiled
        return ops.concatenate([inputs, ops.cast(plane, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape` with one more channel."""
        return (*input_shape[:-1], known_channels(self, input_shape) + 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update({"group_size": self.group_size, "epsilon": self.epsilon})
        return config
