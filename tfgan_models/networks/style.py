"""StyleGAN's networks (Karras et al., arXiv:1812.04948)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from tfgan_models.layers import MinibatchStdDev, Truncation
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import growing
from tfgan_models.networks.growing import GrowingDiscriminator
from tfgan_models.networks.style_parts import StyleMapping, StyleSynthesis


@keras.saving.register_keras_serializable(package="tfgan_models")
class StyleGenerator(keras.Model):
    """StyleGAN's generator: mapping, truncation and synthesis.

    26,219,627 trainable parameters with the defaults, 25,137,935 at 64 px.

    Args:
        resolution: Side of the images, a power of two of at least 8.
        channels: Of the images.
        label_size: Classes; 0 for none.
        latent_size: Of z.
        w_size: Of w.
        mapping_layers: Dense layers of the mapping network.
        fmap_base: See `StyleSynthesis`.
        fmap_max: See `StyleSynthesis`.
        grown: See `StyleSynthesis`.
        noise_lr_multiplier: See `StyleSynthesis`.
        norm_epsilon: See `StyleSynthesis`.
        bias_before_blur: See `StyleSynthesis`.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "latent" [N, latent_size], N(0, 1); output float32 [N, R, R, channels].

    Attributes:
        mapping: `StyleMapping`, z to w.
        truncation: `Truncation`, which holds the average w.
        synthesis: `StyleSynthesis`, w to image.

    Raises:
        ValueError: A size is out of range.
    """

    smallest_resolution = 8

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        latent_size: int = 512,
        w_size: int = 512,
        mapping_layers: int = 8,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        grown: int | None = None,
        noise_lr_multiplier: float = 1.0,
        norm_epsilon: float = 1e-8,
        bias_before_blur: bool = False,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, **kwargs)
        self.synthesis = StyleSynthesis(
            resolution,
            channels,
            w_size,
            fmap_base,
            fmap_max,
            grown,
            noise_lr_multiplier,
            norm_epsilon,
            bias_before_blur,
            name="synthesis",
            dtype=policy,
        )
        self.mapping = StyleMapping(
            latent_size,
            w_size,
            mapping_layers,
            label_size,
            name="mapping",
            dtype=policy,
        )
        self.truncation = Truncation(
            self.synthesis.num_layers, name="truncation", dtype=policy
        )
        self.truncation.build((None, w_size))
        self.resolution = resolution
        self.channels = channels
        self.label_size = label_size
        self.latent_size = latent_size
        self.policy = policy
        self.built = True

    @property
    def grown(self) -> int:
        """The resolution that training has reached, at which images are generated."""
        return self.synthesis.grown

    @grown.setter
    def grown(self, resolution: int) -> None:
        self.synthesis.grown = resolution

    @property
    def w_avg(self) -> Tensor:
        """The average w [w_size], a non-trainable weight."""
        return self.truncation.average

    def call(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        noise: Sequence[Tensor] | None = None,
        psi: float | Tensor | None = None,
        cutoff: int = 8,
        resolution: int | None = None,
        alpha: float | Tensor = 1.0,
    ) -> Tensor:
        """Generates images.

        Args:
            latent: [N, latent_size].
            labels: One-hot [N, label_size], if there are classes.
            noise: See `StyleSynthesis.call`.
            psi: See `Truncation`; None: no truncation.
            cutoff: See `Truncation`.
            resolution: See `StyleSynthesis.call`.
            alpha: See `StyleSynthesis.call`.

        Returns:
            float32 [N, resolution, resolution, channels].
        """
        w = self.mapping(latent, labels)
        ws = self.truncation(w, psi=psi, cutoff=cutoff)
        return self.synthesis(ws, noise=noise, resolution=resolution, alpha=alpha)

    def functional(self) -> keras.Model:
        """Returns a functional model on the same layers, for export.

        Its inputs, by name: "latent" [N, latent_size], "labels" [N, label_size] where
        there are classes, "psi" [N, 1], and "noise_0", "noise_1", ... [N, h, w, 1].
        Layers named "w" [N, w_size], "ws" [N, num_layers, w_size] and "image" are where
        parts of it can be extracted.
        """
        inputs = {"latent": keras.Input((self.latent_size,), name="latent")}
        if self.label_size:
            inputs["labels"] = keras.Input((self.label_size,), name="labels")
        inputs["psi"] = keras.Input((1,), name="psi")
        noise = self.synthesis.noise_inputs()
        w = self.mapping.call(inputs["latent"], inputs.get("labels"))
        w = _named(w, "w")
        ws = _named(self.truncation(w, psi=inputs["psi"]), "ws")
        image = self.synthesis.call(ws, noise)
        inputs |= {tensor.name: tensor for tensor in noise}
        image = _named(image, "image")
        return keras.Model(inputs, image, name=self.name)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "resolution": self.resolution,
            "channels": self.channels,
            "label_size": self.label_size,
            "latent_size": self.latent_size,
            "w_size": self.synthesis.w_size,
            "mapping_layers": len(self.mapping.denses),
            "fmap_base": self.synthesis.fmap_base,
            "fmap_max": self.synthesis.fmap_max,
            "grown": self.grown,
            "noise_lr_multiplier": self.synthesis.noise_lr_multiplier,
            "norm_epsilon": self.synthesis.norm_epsilon,
            "bias_before_blur": self.synthesis.bias_before_blur,
            "name": self.name,
            "dtype": self.policy.name,
        }


@keras.saving.register_keras_serializable(package="tfgan_models")
class StyleDiscriminator(GrowingDiscriminator):
    """StyleGAN's discriminator, ProGAN's with a blur before each halving.

    With classes, the last layer gives a score for each and the label selects one
    (Mescheder et al., arXiv:1801.04406). 23,087,249 parameters with the defaults.

    Args:
        resolution: Of the full-size images, a power of two of at least 8.
        channels: Of the images.
        label_size: Classes; 0 for none.
        fmap_base: See `StyleSynthesis`.
        fmap_max: See `StyleSynthesis`.
        group_size: See `MinibatchStdDev`.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, R, R, channels] in [-1, 1], R any power of two from 4 to
    `resolution`; output: scores, float32 [N, 1].
    """

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        group_size: int = 4,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            resolution,
            channels,
            label_size,
            outputs=max(label_size, 1),
            blur=True,
            fmap_base=fmap_base,
            fmap_max=fmap_max,
            group_size=group_size,
            name=name,
            dtype=dtype,
            **kwargs,
        )

    def call(
        self, images: Tensor, labels: Tensor | None = None, alpha: float | Tensor = 1.0
    ) -> Tensor:
        """Scores images.

        Args:
            images: [N, R, R, channels].
            labels: One-hot [N, label_size], if there are classes.
            alpha: Fade-in of R, 0 to 1; a Python 1.0 skips the fade.

        Returns:
            Scores, float32 [N, 1]; higher is more real.

        Raises:
            ValueError: Images of a size that the network does not take, labels that
                are missing, or labels that are not supported.
        """
        self.check_images(images)
        growing.check_labels(self.label_size, labels)
        return self._of_class(self.body(images, alpha), labels)

    def functional(self) -> keras.Model:
        """Returns a functional model on the same layers, for export.

        Each image is scored on its own, as in a batch of one: the channel of
        `MinibatchStdDev` is that of a group of one, so that no output depends on what
        else was requested at the same time. Inputs, by name: "image" [N, R, R,
        channels], R the full resolution, and "labels" [N, label_size] if there are
        classes;
        output: the layer "score", float32 [N, 1].
        """
        shape = (self.resolution, self.resolution, self.channels)
        inputs = {"image": keras.Input(shape, name="image")}
        if self.label_size:
            inputs["labels"] = keras.Input((self.label_size,), name="labels")
        alone = MinibatchStdDev(
            1, self.stddev.epsilon, name="stddev", dtype=self.policy
        )
        scores = self.body(inputs["image"], stddev=alone)
        score = _named(self._of_class(scores, inputs.get("labels")), "score")
        return keras.Model(inputs, score, name=self.name)

    def _of_class(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Selects the score [N, 1] of the label from those of all classes."""
        if not self.label_size:
            return scores
        return ops.sum(scores * ops.cast(labels, scores.dtype), axis=1, keepdims=True)


def _named(x: Tensor, name: str) -> Tensor:
    """Passes x through a layer with that name, as float32."""
    return layers.Activation("linear", dtype="float32", name=name)(x)
