"""Batch normalisation as in pix2pix at inference (arXiv:1611.07004)."""

import keras

from tfgan_models.layers.instance_norm import normalize
from tfgan_models.layers.tensors import Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class ImageBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation with each image's own statistics at inference.

    In training it is Keras's, over the images of the batch. At inference each image is
    normalised by its own mean and variance, as if it were a batch of one
    (arXiv:1611.07004, section 3.3): if training has batches of 1, both are the same.
    An image's result does not depend on the others. The moving averages are still kept,
    so that the weights fit `keras.layers.BatchNormalization`.

    Args:
        **kwargs: Those of `keras.layers.BatchNormalization`; `axis` is the last.

    Input and output: [N, H, W, C], any H and W. At 1x1 the output is the offset.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Normalises `inputs` [N, H, W, C]."""
        if training and self.trainable:
            return super().call(inputs, training=True)
        x = normalize(inputs, self.epsilon, self.gamma, self.beta)
        return keras.ops.cast(x, self.compute_dtype)
