"""Networks that anybody makes in Keras: which are taken, and what is said of others."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests import models
from tfgan_models import CGAN, DCGAN, GAN, SRGAN, CycleGAN, Pix2Pix, StackGAN, StyleGAN
from tfgan_models.adversarial import GANModel
from tfgan_models.networks import ResNetGenerator, StageOneDiscriminator

SIDE = 8


def image_to_image(
    channels: int = 3, out: int = 3, scale: int = 1, side: int | None = None
) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((side, side, channels)),
            layers.UpSampling2D(scale),
            layers.Conv2D(out, 3, padding="same", activation="tanh"),
        ]
    )


def judge(channels: int = 3, side: int | None = None) -> keras.Model:
    return keras.Sequential(
        [keras.Input((side, side, channels)), layers.Conv2D(1, 4, strides=2)]
    )


def drawing(label_size: int = 0) -> keras.Model:
    """Latents of size 5, and labels, to images that are not square."""
    latent = keras.Input((5,))
    inputs = [latent, keras.Input((label_size,))] if label_size else latent
    x = layers.Concatenate()(inputs) if label_size else latent
    x = layers.Dense(SIDE * 4, activation="tanh")(x)
    return keras.Model(inputs, layers.Reshape((SIDE, 4, 1))(x))


def drawing_of_words() -> keras.Model:
    """Numbers of words, as many as there are, to images."""
    words = keras.Input((None,))
    x = layers.GlobalAveragePooling1D()(layers.Embedding(4, 5)(words))
    return keras.Model(words, drawing()(x))


def scoring(label_size: int = 0, height: int = SIDE) -> keras.Model:
    image = keras.Input((height, 4, 1))
    inputs = [image, keras.Input((label_size,))] if label_size else image
    x = layers.Flatten()(image)
    x = layers.Concatenate()([x, inputs[1]]) if label_size else x
    return keras.Model(inputs, layers.Dense(1)(x))


OWN: dict[str, Callable[[], GANModel]] = {
    "CycleGAN": lambda: CycleGAN(
        *(image_to_image(), image_to_image(), judge(), judge(side=SIDE)),
        image_size=SIDE,
        ema_decay=0.5,
    ),
    "Pix2Pix": lambda: Pix2Pix(image_to_image(1), judge(4), ema_decay=0.5),
    "SRGAN": lambda: SRGAN(
        image_to_image(scale=3), judge(side=12), features=None, first_stage_steps=0
    ),
    "GAN": lambda: GAN(drawing(), scoring(), ema_decay=0.5),
    "DCGAN": lambda: DCGAN(drawing(), scoring(), ema_decay=0.5),
    "CGAN": lambda: CGAN(drawing(3), scoring(3), ema_decay=0.5),
}


@pytest.mark.parametrize("system", OWN)
def test_networks_of_ones_own_train(system: str) -> None:
    """With the paper's optimizers; the model is saved, and called as it says."""
    model = OWN[system]()
    model.compile(run_eagerly=True)

    def drawn(spec: tf.TensorSpec) -> np.ndarray:
        shape = [
            4,
            *(
                size or 4 if system == "SRGAN" else size or SIDE
                for size in spec.shape[1:]
            ),
        ]
        if spec.dtype.is_integer:
            return np.arange(4) % 3
        return np.random.default_rng(0).uniform(-1, 1, shape)

    before = models.values(model)
    batch = {name: drawn(spec) for name, spec in model.batch_spec.items()}
    logs = model.fit(batch, verbose=0).history
    assert set(logs) == set(model.loss_names)
    assert all(np.isfinite(values).all() for values in logs.values())
    after = models.values(model)
    moved = [n for n in after if np.any(before[n] != after[n])]
    assert len(moved) >= len(model.generator_variables)
    answer = model(keras.tree.map_structure(drawn, model.call_spec))
    assert answer.shape[0] == 4
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert twin.batch_spec == model.batch_spec


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Conv2D(3, 3, padding="same")])


def shrinking() -> keras.Model:
    return keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(3, 3)])


def cyclegan(a2b: keras.Model, **options: Any) -> CycleGAN:
    networks = {
        "generator_b2a": image_to_image(),
        "discriminator_a": judge(),
        "discriminator_b": judge(),
    }
    return CycleGAN(a2b, **(networks | {"image_size": SIDE} | options))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: cyclegan(unbuilt()),
            "generator_a2b must be .* start it with keras.In",
        ),
        (
            lambda: cyclegan(lambda x: x),
            "generator_a2b must be a functional or sequent",
        ),
        (
            lambda: cyclegan(drawing()),
            r"generator_a2b .* inputs \[\(None, 5\)\], outpu",
        ),
        (lambda: cyclegan(shrinking()), "image_size=8, which becomes 6 x 6"),
        (
            lambda: cyclegan(image_to_image(side=9)),
            "cannot take images of image_size=8",
        ),
        (lambda: cyclegan(ResNetGenerator(2, 0), image_size=6), "not a multiple of 4"),
        (
            lambda: cyclegan(image_to_image(1)),
            r"back to A's.* generator_a2b from 1 to 3, generator_b2a from 3 to 3",
        ),
        (
            lambda: cyclegan(image_to_image(), discriminator_b=judge(1)),
            r"discriminator_b .* to logits. Received: inputs .*None, 1\)\]",
        ),
        (
            lambda: cyclegan(image_to_image(), discriminator_a=judge(side=9)),
            r"discriminator_a must take .*size=8. Received: \[9, 9\]",
        ),
        (
            lambda: Pix2Pix(image_to_image(), drawing()),
            "6 channels. Received: chann.*=5",
        ),
        (
            lambda: SRGAN(drawing(), judge(), features=None),
            "generator must map images",
        ),
        (
            lambda: GAN(image_to_image(), scoring()),
            "map latents .* Received: a generator",
        ),
        (
            lambda: GAN(drawing_of_words(), scoring()),
            r"latents \[N, size\].* Received: a generator from \[\(None, None\)\]",
        ),
        (lambda: GAN(drawing(), judge()), "same resolution. Received: .*=.8, 4. and "),
        (
            lambda: GAN(drawing(3), scoring(3)),
            "there are no labels. Received: label_size=3",
        ),
        (
            lambda: CGAN(drawing(), scoring()),
            "label_size must be the number of classes",
        ),
        (lambda: DCGAN(drawing(), scoring(3)), "label_size=0 and label_size=3"),
        (
            lambda: StyleGAN(drawing(), scoring(), None),
            "generator must be a StyleGenerator.* without resolution, .*, synthesis",
        ),
        (
            lambda: StackGAN(
                drawing(), StageOneDiscriminator(16, 4), first_stage_steps=1
            ),
            "generator must be a StackGenerator.* without stage_one, ",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    build: Callable[[], GANModel], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        build()
    assert "\n" not in str(raised.value)
