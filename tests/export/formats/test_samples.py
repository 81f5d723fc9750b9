"""What models of other people are compared on."""

import numpy as np
import tensorflow as tf

from export.formats import samples


def test_pictures_are_levels_where_whole_numbers_are_taken() -> None:
    def asked(dtype: tf.DType) -> list[np.ndarray]:
        inputs = {"photo": tf.TensorSpec([None, None, None, 3], dtype, "photo")}
        return [r["photo"] for r in samples.requests(inputs, tf.Module(), None)]

    floats, levels = asked(tf.float32), asked(tf.uint8)
    assert [image.shape for image in levels] == [image.shape for image in floats]
    for image, level in zip(floats, levels, strict=True):
        assert (image.dtype, level.dtype) == (np.float32, np.uint8)
        assert np.ptp(level) > 100
        np.testing.assert_allclose(image, level / 127.5 - 1, rtol=0, atol=1e-6)
