"""InceptionV3 (arXiv:1512.00567) as the Fréchet Inception Distance uses it.

Two networks go by that name. The FID paper (arXiv:1706.08500) used TensorFlow's graph
of 2015-12-05; Keras has weights of a later training. Their features are not
comparable with each other.
"""

import keras
from keras import layers

from tfgan_models.metrics.features.precision import float32_layers

IMAGE_SIZE = 299
FEATURES = 2048

KERAS = "keras"
GRAPH_2015 = "2015"

_BODY = "inception_v3"
_CLASSES = {KERAS: 1000, GRAPH_2015: 1008}
# (x - 127.5) / 127.5, and (x - 128) / 128.
_SCALES = {KERAS: (1 / 127.5, -1.0), GRAPH_2015: (1 / 128, -1.0)}


@float32_layers()
def inception_v3(convention: str, top: bool = True) -> keras.Model:
    """Builds the network with random weights.

    Args:
        convention: "keras": keras.applications's, 1000 classes; "2015": the FID
            paper's, 1008 classes, input (x - 128) / 128, and in the last mixed
            block a maximum in place of the average before the pool branch.
        top: Whether to include logits.

    Returns:
        A model from "pixels", float32 [N, 299, 299, 3] in 0..255, to a dictionary:
        "features" [N, 2048], the last block's average over all positions (pool3), and
        with `top` "logits" [N, K].

    Raises:
        ValueError: Another convention.
    """
    if convention not in _CLASSES:
        raise ValueError(
            f"convention must be one of {', '.join(_CLASSES)}. Received: {convention}"
        )
    classifier = keras.applications.InceptionV3(
        weights=None,
        input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3),
        classes=_CLASSES[convention],
        classifier_activation=None,
    )
    if convention == GRAPH_2015:
        classifier = _with_last_pool_maximal(classifier)
    outputs = {"features": classifier.get_layer("avg_pool").output}
    if top:
        outputs["logits"] = classifier.output
    unscaled = keras.Model(classifier.input, outputs, name=_BODY)
    pixels = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="pixels")
    scale, offset = _SCALES[convention]
    scaled = layers.Rescaling(scale, offset, name="scale")(pixels)
    return keras.Model(pixels, unscaled(scaled), name=f"inception_{convention}")


def body(network: keras.Model) -> keras.Model:
    """Returns the layers after the scaling, those of keras.applications's model."""
    return network.get_layer(_BODY)


def convolutions(
    network: keras.Model,
) -> list[tuple[layers.Conv2D, layers.BatchNormalization]]:
    """Lists the convolutions, each with its normalisation.

    Args:
        network: What `inception_v3` returned.

    Returns:
        94 pairs in order of creation: that of the paper's blocks, and
        inside a block branch by branch, starting at the input.
    """
    norms = _of_type(body(network), layers.BatchNormalization)
    return list(zip(_of_type(body(network), layers.Conv2D), norms, strict=True))


def _with_last_pool_maximal(model: keras.Model) -> keras.Model:
    last = _of_type(model, layers.AveragePooling2D)[-1]

    def clone(layer: keras.Layer) -> keras.Layer:
        if layer is last:
            return layers.MaxPooling2D(3, 1, "same", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=clone)


def _of_type(model: keras.Model, kind: type[keras.Layer]) -> list[keras.Layer]:
    """Returns the layers of one type in order of creation."""
    # keras.applications leaves the names to Keras, which numbers them as it goes:
    # conv2d, conv2d_1, ... `model.layers` is sorted by depth instead.
    found = [layer for layer in model.layers if type(layer) is kind]
    return sorted(found, key=_number)


def _number(layer: keras.Layer) -> int:
    number = layer.name.rpartition("_")[2]
    return int(number) if number.isdigit() else 0
