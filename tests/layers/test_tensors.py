"""What a layer must know of its input."""

import keras
import pytest

from tfgan_models import layers


@pytest.mark.parametrize(
    "layer",
    [
        layers.EqualizedDense(3),
        layers.EqualizedConv2D(3, 1),
        layers.ChannelBias(),
        layers.Maxout(3, 2),
        layers.PixelShuffle2D(),
        layers.SpectralConv2D(3, 1),
        layers.SpectralDense(3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_unknown_channels_say_what_was_received(layer: keras.Layer) -> None:
    message = f"{type(layer).__name__} needs a known .* Received: .*4, 4, None"
    with pytest.raises(ValueError, match=message):
        layer.build((None, 4, 4, None))


@pytest.mark.parametrize(
    "layer",
    [layers.NearestUpsampling2D(), layers.AverageDownsampling2D()],
    ids=lambda layer: type(layer).__name__,
)
def test_unknown_sides_say_what_was_received(layer: keras.Layer) -> None:
    with pytest.raises(ValueError, match=r"height and width\. Received: .*None"):
        layer(keras.Input((4, None, 3)))
