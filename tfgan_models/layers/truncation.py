"""The truncation trick in W (Karras et al., arXiv:1812.04948, appendix B)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class Truncation(keras.layers.Layer):
    """Provides each style layer's w, pulled towards the average of all w.

    `average + psi * (w - average)`: w itself at psi = 1, the average at 0, which gives
    the most typical image. The average is a non-trainable weight;
    training moves it with `track`.

    Args:
        layers: Style layers, L.
        decay: Of the average, per batch; 0.995 in the paper's code.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Inputs w [N, D] and, optionally, psi, a number or [N] or [N, 1]; output [N, L, D].
    """

    def __init__(self, layers: int, decay: float = 0.995, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layers = layers
        self.decay = decay

    def build(self, inputs_shape: Shape) -> None:
        """Creates the average.

        Args:
            inputs_shape: (N, D); D must be known.
        """
        self.average = self.add_weight(
            name="average",
            shape=(inputs_shape[-1],),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )

    def call(
        self, inputs: Tensor, psi: float | Tensor | None = None, cutoff: int = 8
    ) -> Tensor:
        """Repeats `inputs` [N, D] for each style layer.

        Args:
            inputs: w.
            psi: None: no truncation.
            cutoff: Only the style layers before this one are truncated; 8 in the paper,
                the resolutions 4 to 32.
        """
        repeated = ops.repeat(ops.expand_dims(inputs, 1), self.layers, axis=1)
        if psi is None:
            return repeated
        average = ops.cast(self.average, repeated.dtype)
        psi = ops.reshape(ops.convert_to_tensor(psi, repeated.dtype), (-1, 1, 1))
        truncated = average + psi * (repeated - average)
        if cutoff >= self.layers:
            return truncated
        return ops.concatenate([truncated[:, :cutoff], repeated[:, cutoff:]], axis=1)

    def track(self, w: Tensor) -> None:
        """Moves the average towards the mean of `w` [N, D] over all replicas."""
        mean = ops.mean(ops.cast(w, self.average.dtype), axis=0)
        self.average.assign(mean + self.decay * (self.average - mean))

    def compute_output_shape(
        self,
        inputs_shape: Shape,
        psi_shape: Shape | None = None,
    ) -> Shape:
        """Returns (N, L, D)."""
        return (inputs_shape[0], self.layers, inputs_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update({"layers": self.layers, "decay": self.decay})
        return config
