"""Perceptual features: keras.applications's VGG19 and our EfficientNet-Lite0.

No real weights of VGG19: random ones make every layer and its place count.
"""

import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format

from tests.networks.examples import images
from tfgan_models import connectivity, data
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.metrics.features import perceptual
from tfgan_models.metrics.features.efficientnet import load_lite0

EARTH = Path(data.__path__[0]) / "images" / "earth" / "satellite.jpg"


@pytest.fixture(scope="module")
def vgg19() -> keras.Model:
    """keras.applications's network with random weights."""
    keras.utils.set_random_seed(0)
    return keras.applications.VGG19(include_top=False, weights=None)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, vgg19: keras.Model) -> Path:
    """A KERAS_HOME with the file that keras.applications downloads."""
    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    path = home / "models" / perceptual.VGG_URL.rpartition("/")[2]
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, vgg19)
    return home


@pytest.fixture(scope="module")
def lite0() -> perceptual.Features:
    return perceptual.features("lite0")


def test_vgg54_is_the_papers(
    vgg19: keras.Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 16th convolution after its ReLU, of pixels as keras.applications has them."""
    monkeypatch.setenv("KERAS_HOME", str(cache))
    vgg54 = perceptual.features("vgg54")
    x = images(48)
    pixels = keras.applications.vgg19.preprocess_input(127.5 * x + 127.5)
    convolutions = [y for y in vgg19.layers if isinstance(y, keras.layers.Conv2D)]
    assert len(convolutions) == 16
    expected = keras.Model(vgg19.input, convolutions[-1].output)(pixels) / 12.75
    maps = vgg54(x)
    assert maps.shape == (2, 3, 3, 512)
    assert maps.numpy().min() == 0 < maps.numpy().std()
    error = np.abs(maps - expected).max()
    assert error < 1e-5 * np.abs(expected).max()


def test_vgg54_takes_a_file(vgg19: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "vgg19.weights.h5"
    vgg19.save_weights(path)
    kernel = perceptual.features("vgg54", path).network.get_weights()[0]
    np.testing.assert_array_equal(kernel, vgg19.get_weights()[0])


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.h5 is not a file.*=lite0\.$"):
        perceptual.features("vgg54", tmp_path / "gone.h5")
    path = tmp_path / "small.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(UsageError, match="does not have the weights of VGG19") as error:
        perceptual.features("vgg54", path)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=r"lite0 .* takes no file. Received: .*small"):
        perceptual.features("lite0", path)
    with pytest.raises(UsageError, match=r"=vgg16 is not known\. .*: vgg54, lite0\.$"):
        perceptual.features("vgg16")


def test_offline_it_fails_fast_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(perceptual, "VGG_URL", "http://127.0.0.1:9/weights.h5")
    start = time.monotonic()
    with pytest.raises(FailureError, match="--perceptual=lite0") as caught:
        perceptual.features("vgg54")
    assert time.monotonic() - start < connectivity.SECONDS + 2
    assert "127.0.0.1:9" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lite0_is_a_layer_of_the_extractor(lite0: perceptual.Features) -> None:
    """At the extractor's own size; elsewhere there is no other to compare with."""
    whole = load_lite0()
    x = images(224, batch=1)
    layer = whole.get_layer("block5_expand_relu").output
    expected = keras.Model(whole.input, layer)(127.5 * x + 127.5) / 8.7
    maps = lite0(x)
    assert maps.shape == (1, 28, 28, 240)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    # Halved three times; the next convolution is the fourth.
    assert whole.get_layer("block5_depthwise_conv").strides == (2, 2)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (96, 64), (50, 33)])
def test_lite0_takes_any_size(
    lite0: perceptual.Features, height: int, width: int
) -> None:
    x = images(96)[:, :height, :width]
    assert lite0(x).shape == (2, -(-height // 8), -(-width // 8), 240)


def test_grey_is_repeated(lite0: perceptual.Features) -> None:
    grey = images(32, 1)
    colour = np.repeat(grey, 3, axis=-1)
    np.testing.assert_array_equal(lite0(grey), lite0(colour))
    assert lite0(grey).numpy().std() > 0.01


def photographs() -> np.ndarray:
    """Returns 96 px crops of the bundled satellite image, [-1, 1]."""
    image = tf.io.decode_jpeg(tf.io.read_file(str(EARTH))).numpy() / 127.5 - 1
    starts = [(y, x) for y in range(200, 800, 150) for x in range(300, 2400, 300)]
    crops = [image[y : y + 96, x : x + 96] for y, x in starts]
    return np.stack([c for c in crops if c.std() > 0.08]).astype("float32")


@pytest.mark.parametrize("scale", [2, 4])
def test_lite0s_error_is_of_the_order_of_the_pixels(
    lite0: perceptual.Features, scale: int
) -> None:
    high = photographs()
    assert len(high) > 8
    side = 96 // scale
    low = tf.image.resize(high, [side, side], "bicubic", antialias=True)
    blurred = tf.clip_by_value(tf.image.resize(low, [96, 96], "bicubic"), -1, 1)
    pixels = np.square(blurred - high).mean()
    ratio = np.square(lite0(blurred) - lite0(high)).mean() / pixels
    assert 0.5 < ratio < 2.5


def test_lite0_leads_to_an_image(lite0: perceptual.Features) -> None:
    """Its slope shows the way from a blurred image back, and no weight can move."""
    assert not lite0.network.trainable_variables
    high = tf.constant(photographs()[:2, :64, :64])
    low = tf.image.resize(high, [16, 16], "bicubic", antialias=True)
    start = tf.image.resize(low, [64, 64], "bicubic")
    image, target = tf.Variable(start), lite0(high)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((lite0(image) - target) ** 2)
        optimizer.apply([tape.gradient(loss, image)], [image])
        return loss

    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build([image])
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < losses[0] / 3


def test_it_computes_in_float32_whatever_the_policy() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = perceptual.features("lite0").network
        maps = network(tf.zeros((1, 16, 16, 3), tf.float32), training=False)
        inner = [y for y in network.layers if isinstance(y, keras.Model)]
        layers = [*network.layers, *inner[0].layers]
        assert len(layers) > 40
        assert {layer.compute_dtype for layer in layers} == {"float32"}
        assert maps.dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_it_is_described(lite0: perceptual.Features) -> None:
    assert lite0.name == "lite0"
    assert lite0.description == (
        "EfficientNet-Lite0, ImageNet weights; block5_expand_relu; stride 8; times "
        "1/8.7"
    )
