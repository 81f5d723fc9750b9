"""Building blocks of StackGAN's networks (arXiv:1612.03242), after its TensorFlow code.

Layer names distinguish the stages: both are joined in one exported graph.
"""

import math

import keras
from keras import layers

from tfgan_models.layers.tensors import Tensor
from tfgan_models.networks import blocks

_SMALLEST = 16
_LEAK = 0.2


def check_resolution(name: str, resolution: int, smallest: int = _SMALLEST) -> None:
    """Raises ValueError unless a side is a power of two and large enough."""
    if resolution < smallest or resolution & (resolution - 1):
        raise ValueError(
            f"{name} must be a power of two and at least {smallest}. "
            f"Received: {name}={resolution}"
        )


def check_equal(name: str, one: int, other: int) -> None:
    """Raises ValueError if two networks disagree about a size."""
    if one != other:
        raise ValueError(
            f"The networks must have the same {name}. Received: {name}={one} and "
            f"{other}"
        )


def check_filters(filters: int, smallest: int = 4) -> None:
    """Raises ValueError if a layer would have no channels left."""
    if filters < smallest:
        raise ValueError(
            f"filters must be {smallest} or more. Received: filters={filters}"
        )


def conditioning(
    embedding_size: int, condition_size: int, policy: keras.DTypePolicy, prefix: str
) -> keras.Model:
    """Builds "embedding" [N, E] -> mean and log sigma, float32 [N, C] each.

    The published code's one dense layer of 2C units and leaky ReLU, in two halves.
    """
    embedding = keras.Input((embedding_size,), name="embedding")
    outputs = []
    for part in ("mean", "log_sigma"):
        name = f"{prefix}_{part}"
        x = _dense(condition_size, policy, f"{name}_dense")(embedding)
        x = _relu(x, policy, f"{name}_relu", _LEAK)
        outputs.append(layers.Activation("linear", dtype="float32", name=name)(x))
    return _model(embedding, outputs, policy, f"{prefix}_conditioning")


def stage_one_body(
    resolution: int,
    condition_size: int,
    latent_size: int,
    filters: int,
    channels: int,
    policy: keras.DTypePolicy,
) -> keras.Model:
    """Builds ["condition", "latent"] -> "image" of stage one."""
    condition = keras.Input((condition_size,), name="condition")
    latent = keras.Input((latent_size,), name="latent")
    doublings = int(math.log2(resolution // 4))
    width = filters * 2 ** (doublings - 1)
    joined = layers.Concatenate(dtype=policy, name="stage1_join")
    x = joined([condition, latent])
    # Without a bias, which the following normalisation would cancel.
    x = _dense(16 * width, policy, "stage1_dense", use_bias=False)(x)
    x = blocks.normalization("batch", dtype=policy, name="stage1_dense_norm")(x)
    x = layers.Reshape((4, 4, width), dtype=policy, name="stage1_reshape")(x)
    x = _bottleneck(x, policy, "stage1_4")
    for i in range(1, doublings):
        side, width = 4 * 2**i, width // 2
        x = _up(x, width, policy, f"stage1_{side}")
        if i == 1:
            x = _bottleneck(x, policy, f"stage1_{side}")
        else:
            x = _relu(x, policy, f"stage1_{side}_relu")
    x = layers.UpSampling2D(2, dtype=policy, name=f"stage1_{resolution}_resize")(x)
    image = _to_image(x, channels, policy, "stage1")
    return _model([condition, latent], image, policy, "stage1_body")


def stage_two_body(
    resolution: int,
    input_resolution: int,
    condition_size: int,
    filters: int,
    residual_blocks: int,
    channels: int,
    policy: keras.DTypePolicy,
) -> keras.Model:
    """Builds ["small", "condition"] -> "image" of stage two."""
    shape = (input_resolution, input_resolution, channels)
    small = keras.Input(shape, name="small")
    condition = keras.Input((condition_size,), name="condition")
    width, side = 4 * filters, input_resolution // 4

    x = _convolution(filters, 3, 1, policy, "stage2_encode1_conv")(small)
    x = _relu(x, policy, "stage2_encode1_relu")
    x = _conv_norm_relu(x, 2 * filters, 4, 2, policy, "stage2_encode2")
    x = _conv_norm_relu(x, width, 4, 2, policy, "stage2_encode3")
    x = _join(x, condition, side, policy, "stage2")
    x = _conv_norm_relu(x, width, 3, 1, policy, "stage2_joined")
    for i in range(1, residual_blocks + 1):
        name = f"stage2_block{i}"
        y = _conv_norm_relu(x, width, 3, 1, policy, f"{name}_first")
        y = _conv_norm(y, width, 3, 1, policy, f"{name}_second")
        x = layers.Add(dtype=policy, name=f"{name}_add")([x, y])
        x = _relu(x, policy, f"{name}_relu")
    while side < resolution:
        side, width = 2 * side, width // 2
        x = _up(x, width, policy, f"stage2_{side}")
        x = _relu(x, policy, f"stage2_{side}_relu")
    image = _to_image(x, channels, policy, "stage2")
    return _model([small, condition], image, policy, "stage2_body")


def discriminator_body(
    resolution: int,
    embedding_size: int,
    condition_size: int,
    filters: int,
    channels: int,
    policy: keras.DTypePolicy,
) -> keras.Model:
    """Builds ["image", "embedding"] -> "logits" [N, 1].

    No activation before the residual block, which adds to its input.
    """
    image = keras.Input((resolution, resolution, channels), name="image")
    embedding = keras.Input((embedding_size,), name="embedding")
    halvings = int(math.log2(resolution // 4))
    back = range(halvings - 2, 2, -1)
    # (channels, kernel, stride) of each convolution after the first.
    table = [(filters * 2**i, 4, 2) for i in range(1, halvings)]
    table += [(filters * 2**i, 1, 1) for i in back]

    x = _convolution(filters, 4, 2, policy, "conv1")(image)
    for i, (width, kernel, strides) in enumerate(table, start=2):
        x = _relu(x, policy, f"relu{i - 1}", _LEAK)
        x = _conv_norm(x, width, kernel, strides, policy, f"conv{i}")
    x = _bottleneck(x, policy, "block", _LEAK)

    text = _dense(condition_size, policy, "text_dense")(embedding)
    text = _relu(text, policy, "text_relu", _LEAK)
    width = x.shape[-1]
    x = _join(x, text, 4, policy, "text")
    x = _conv_norm(x, width, 1, 1, policy, "head")
    x = _relu(x, policy, "head_relu", _LEAK)
    x = blocks.convolution(1, 4, use_bias=False, dtype=policy, name="logit_conv")(x)
    x = layers.Flatten(dtype=policy, name="logit")(x)
    x = layers.Activation("linear", dtype="float32", name="logits")(x)
    return _model([image, embedding], x, policy, "body")


def _model(
    inputs: Tensor, outputs: Tensor, policy: keras.DTypePolicy, name: str
) -> keras.Model:
    """A functional model that records its layers' compute dtype."""
    model = keras.Model(inputs, outputs, name=name)
    model.dtype_policy = policy
    return model


def _dense(
    units: int, policy: keras.DTypePolicy, name: str, use_bias: bool = True
) -> keras.layers.Layer:
    return layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        dtype=policy,
        name=name,
    )


def _convolution(
    filters: int, kernel: int, strides: int, policy: keras.DTypePolicy, name: str
) -> keras.layers.Layer:
    """A zero-padded convolution without bias."""
    return blocks.convolution(
        filters,
        kernel,
        strides,
        padding="same",
        use_bias=False,
        dtype=policy,
        name=name,
    )


def _conv_norm(
    x: Tensor,
    filters: int,
    kernel: int,
    strides: int,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    x = _convolution(filters, kernel, strides, policy, f"{name}_conv")(x)
    return blocks.normalization("batch", dtype=policy, name=f"{name}_norm")(x)


def _conv_norm_relu(
    x: Tensor,
    filters: int,
    kernel: int,
    strides: int,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    x = _conv_norm(x, filters, kernel, strides, policy, name)
    return _relu(x, policy, f"{name}_relu")


def _up(x: Tensor, filters: int, policy: keras.DTypePolicy, name: str) -> Tensor:
    """Doubles height and width; no activation."""
    x = layers.UpSampling2D(2, dtype=policy, name=f"{name}_resize")(x)
    return _conv_norm(x, filters, 3, 1, policy, name)


def _bottleneck(
    x: Tensor, policy: keras.DTypePolicy, name: str, leak: float = 0.0
) -> Tensor:
    """A residual block with a quarter of the channels inside."""
    width = x.shape[-1]
    y = _conv_norm(x, width // 4, 1, 1, policy, f"{name}_first")
    y = _relu(y, policy, f"{name}_first_relu", leak)
    y = _conv_norm(y, width // 4, 3, 1, policy, f"{name}_second")
    y = _relu(y, policy, f"{name}_second_relu", leak)
    y = _conv_norm(y, width, 3, 1, policy, f"{name}_third")
    x = layers.Add(dtype=policy, name=f"{name}_add")([x, y])
    return _relu(x, policy, f"{name}_relu", leak)


def _relu(x: Tensor, policy: keras.DTypePolicy, name: str, leak: float = 0.0) -> Tensor:
    return layers.ReLU(negative_slope=leak, dtype=policy, name=name)(x)


def _join(
    x: Tensor, vector: Tensor, side: int, policy: keras.DTypePolicy, name: str
) -> Tensor:
    """Appends a vector [N, C] to every pixel of x [N, side, side, D]."""
    size = vector.shape[-1]
    tiled = layers.Reshape((1, 1, size), dtype=policy, name=f"{name}_pixel")(vector)
    tiled = layers.UpSampling2D(side, dtype=policy, name=f"{name}_tile")(tiled)
    return layers.Concatenate(dtype=policy, name=f"{name}_join")([x, tiled])


def _to_image(
    x: Tensor, channels: int, policy: keras.DTypePolicy, prefix: str
) -> Tensor:
    x = _convolution(channels, 3, 1, policy, f"{prefix}_image_conv")(x)
    return layers.Activation("tanh", dtype="float32", name=f"{prefix}_image")(x)
