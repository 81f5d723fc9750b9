"""Whole models as people built them with tensorflow-addons.

Imported by record.py, under tensorflow-addons 0.23 and TensorFlow 2.15.
"""

from typing import Any

import tensorflow as tf
import tensorflow_addons as tfa

layers = tf.keras.layers
Tensor = Any


def reflect(x: Tensor, by: int) -> Tensor:
    return tf.pad(x, [[0, 0], [by, by], [by, by], [0, 0]], mode="REFLECT")


def cyclegan(filters: int, blocks: int) -> tf.keras.Model:
    """The ResNet generator, with reflection padding by tf.pad."""

    def norm(x: Tensor, activation: str = "relu") -> Tensor:
        x = tfa.layers.InstanceNormalization(axis=-1, epsilon=1e-5)(x)
        return layers.Activation(activation)(x) if activation else x

    image = layers.Input((None, None, 3), name="photo")
    x = norm(layers.Conv2D(filters, 7, use_bias=False)(reflect(image, 3)))
    for i in (2, 4):
        x = norm(layers.Conv2D(filters * i, 3, strides=2, padding="same")(x))
    for _ in range(blocks):
        y = norm(layers.Conv2D(4 * filters, 3)(reflect(x, 1)))
        y = norm(layers.Conv2D(4 * filters, 3)(reflect(y, 1)), "")
        x = layers.add([x, y])
    for i in (2, 1):
        x = layers.Conv2DTranspose(filters * i, 3, strides=2, padding="same")(x)
        x = norm(x)
    x = layers.Conv2D(3, 7)(reflect(x, 3))
    return tf.keras.Model(image, layers.Activation("tanh")(x), name="generator")


def patchgan() -> tf.keras.Model:
    image = layers.Input((64, 64, 3), name="image")
    x = layers.Conv2D(8, 4, strides=2, padding="same")(image)
    x = layers.LeakyReLU(0.2)(x)
    for filters, strides in ((16, 2), (32, 2), (64, 1)):
        x = layers.ZeroPadding2D()(x) if strides == 1 else x
        padding = "valid" if strides == 1 else "same"
        x = layers.Conv2D(filters, 4, strides=strides, padding=padding)(x)
        x = tfa.layers.InstanceNormalization()(x)
        x = layers.LeakyReLU(alpha=0.2)(x)
    return tf.keras.Model(image, layers.Conv2D(1, 4, padding="same")(x))


def unet() -> tf.keras.Model:
    """Nested Sequentials, most of them built when they are first called."""

    def down(filters: int, norm: bool = True) -> tf.keras.Sequential:
        block = tf.keras.Sequential()
        block.add(layers.Conv2D(filters, 4, 2, "same", use_bias=not norm))
        if norm:
            block.add(layers.BatchNormalization())
        block.add(layers.LeakyReLU())
        return block

    def up(filters: int) -> tf.keras.Sequential:
        block = tf.keras.Sequential()
        block.add(layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False))
        block.add(layers.BatchNormalization())
        block.add(layers.Dropout(0.5))
        block.add(layers.ReLU())
        return block

    image = layers.Input((None, None, 3))
    x, skips = image, []
    for filters in (8, 16, 32):
        x = down(filters, norm=filters > 8)(x)
        skips.append(x)
    for filters, skip in ((16, skips[1]), (8, skips[0])):
        x = layers.Concatenate()([up(filters)(x), skip])
    last = layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")
    return tf.keras.Model(image, last(x))


def shared() -> tf.keras.Model:
    """Two inputs, two outputs; a layer and two nested models called twice."""
    inner = layers.Input((None, None, 4))
    conv = layers.Conv2D(4, 3, padding="same", activation="Addons>mish")
    deep = tf.keras.Sequential(
        [
            layers.Input((None, None, 4)),
            layers.Conv2D(4, 1),
            layers.BatchNormalization(),
        ]
    )
    x = conv(tfa.layers.InstanceNormalization()(conv(inner)))
    encoder = tf.keras.Model(inner, [deep(x), x + inner], name="encoder")
    a = layers.Input((16, 16, 4), name="a")
    b = layers.Input((16, 16, 4), name="b")
    first, _ = encoder(a)
    second, other = encoder(b)
    joined = layers.Concatenate(name="joined")([first, deep(second), other])
    pooled = layers.GlobalAveragePooling2D()(layers.subtract([first, second]))
    score = layers.Dense(2, name="score")(pooled)
    return tf.keras.Model([a, b], [joined, score], name="two")


def frozen() -> tf.keras.Model:
    """Part of a nested model is not trainable, which reorders its weights."""
    frozen_part = tf.keras.Sequential(
        [layers.Conv2D(4, 3), layers.BatchNormalization()], name="frozen"
    )
    frozen_conv = layers.Conv2D(4, 3, trainable=False)
    body = tf.keras.Sequential(
        [
            layers.InputLayer((None, None, 4)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            frozen_conv,
            frozen_part,
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
        ],
        name="body",
    )
    frozen_part.trainable = False
    return tf.keras.Sequential([layers.InputLayer((16, 16, 4)), body])


def labelled() -> tf.keras.Model:
    label = layers.Input((1,), dtype="int32", name="label")
    latent = layers.Input((8,), name="latent")
    row = layers.Flatten()(layers.Embedding(5, 8)(label))
    x = layers.Dense(4 * 4 * 6)(layers.multiply([row, latent]))
    x = layers.Reshape((4, 4, 6))(x)
    x = layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(x)
    return tf.keras.Model([latent, label], x)
