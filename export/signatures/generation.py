"""SavedModels of networks that generate images from latents.

A sample's image never depends on the other samples of its request.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import keras
import tensorflow as tf

from export.signatures import png, signature_doc
from tfgan_models import sampling
from tfgan_models.networks import StyleGenerator
from tfgan_models.runs import description

Tensors: TypeAlias = dict[str, tf.Tensor]
"""By name, of a signature."""

PSI = 0.7
"""Truncation psi of `serving_default`, as in the paper."""
CUTOFF = 8
"""The style layers before this one are truncated: 4 to 32 px, as in the paper."""
LARGEST_PSI = 2


@dataclass(frozen=True)
class Argument:
    """An input of a signature.

    Args:
        name: Its name in requests.
        dtype: Its dtype.
        shape: Of one sample's; None: any size.
        limits: The smallest and the largest value allowed; None: any.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...] = ()
    limits: tuple[int, int] | None = None


_SEED = Argument("seed", tf.int64)
_WORDS = {
    "latent": "The generator's input, sampled from N(0, 1).",
    "seed": "Any number; the same one gives the same image on every machine.",
    "label": "Class, from 0.",
    "image": "Images, about [-1, 1].",
    "image_bytes": "The images as PNG files.",
}
_UNIFORM_LATENT = "The generator's input, sampled uniformly from [-1, 1)."


class LatentModule(tf.Module):
    """A generator without w (GAN, CGAN, DCGAN or ProGAN) behind signatures.

    `serving_default`: `latent` float32 [N, latent_size] -> `image` float32
    [N, R, R, C], about [-1, 1]. `generate`: `seed` int64 [N] -> `image` and, for up to
    4 channels, `image_bytes` string [N] (PNG files); see `tfgan_models.sampling`.

    With classes both have the input `label` too, int64 [N].

    Args:
        network: The generator, see `description.draws_from_latents`.

    Attributes:
        endpoints: Signature name -> function, for `tf.saved_model.save`.
        latent_distribution: Function without arguments -> the latents' distribution,
            one of `sampling.DISTRIBUTIONS`.
        doc: Their documentation.
    """

    doc = signature_doc.Doc(
        signatures={
            "serving_default": "Generates an image from each latent.",
            "generate": "Generates an image from each seed, which determines the "
            "latent.",
        },
        values=_WORDS,
    )

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        # Only the variables: the SavedModel then contains no Keras objects.
        self.weights = [variable.value for variable in network.variables]
        size, classes = network.latent_size, network.label_size
        distribution = description.of_network(network).latent_distribution
        if distribution == "uniform":
            self.doc = signature_doc.Doc(
                self.doc.signatures, _WORDS | {"latent": _UNIFORM_LATENT}
            )
        latent = Argument("latent", tf.float32, (size,))

        def draw(latent: tf.Tensor, label: tf.Tensor | None = None) -> Tensors:
            image = network(latent, labels=_one_hot(label, classes))
            return {"image": tf.cast(image, tf.float32)}

        def generate(seed: tf.Tensor, label: tf.Tensor | None = None) -> Tensors:
            return with_files(draw(sampling.latents(seed, size, distribution), label))

        @tf.function(input_signature=[], autograph=False)
        def told_distribution() -> tf.Tensor:
            return tf.constant(distribution)

        self.endpoints = {
            "serving_default": make_endpoint([latent, *_label(classes)], draw),
            "generate": make_endpoint([_SEED, *_label(classes)], generate),
        }
        self.latent_distribution = told_distribution


class StyleModule(tf.Module):
    """StyleGAN's generator behind serving signatures.

    Images are float32 [N, R, R, C], about [-1, 1]; `image_bytes` string [N] are PNG
    files of them, for up to 4 channels. L is the number of style layers, D the size of
    w.

    - `serving_default`: `latent` float32 [N, latent_size] -> `image`; psi 0.7, and the
      same noise in all.
    - `generate`: `seed` int64 [N] and `truncation_psi` float32 [N], -2 to 2 -> `image`,
      `image_bytes`. Latent and noise are functions of the seed.
    - `mapping`: `latent` -> `w` float32 [N, D].
    - `synthesis`: `w` float32 [N, L, D] -> `image`; the noise of `serving_default`.
    - `mix`: `seed_coarse` and `seed_fine` int64 [N] and `cutoff` int32 [N], 0 to L ->
      `image`, `image_bytes`. The style layers before the cutoff take the coarse seed's
      w, which is the one whose noise is used; nothing is truncated.

    With classes `serving_default`, `generate`, `mapping` and `mix` have the input
    `label` too, int64 [N].

    Args:
        network: The generator.

    Attributes:
        endpoints: Signature name -> function, for `tf.saved_model.save`.
        w_avg: The average w, a variable [D].
        noise_synthesis: Function of `w` [N, L, D] and `noise`, a list of a map
            [N or 1, h, w, 1] for each style layer -> the images.
        style_kernels: Function without arguments -> for each style layer the kernel [D,
            2C] that maps w to its scales, then its offsets.
        doc: The signatures' documentation.
    """

    doc = signature_doc.Doc(
        signatures={
            "serving_default": f"Generates an image from each latent; psi {PSI} and "
            "the same noise in all.",
            "generate": "Generates an image from each seed, which determines latent "
            "and noise first.",
            "mapping": "Maps latents to w, without truncation.",
            "synthesis": "Generates an image from each w, with the noise of "
            "serving_default.",
            "mix": "Generates an image from two seeds' styles, with the noise of the "
            "coarse one, without truncation.",
        },
        values=_WORDS
        | {
            "truncation_psi": f"-{LARGEST_PSI} to {LARGEST_PSI}: the truncation of w "
            "towards its average, 1 for none, 0 for the average itself, in the style "
            f"layers before {CUTOFF}.",
            "w": "A style: one per sample, or one per sample and style layer.",
            "seed_coarse": "The seed whose w is used by the style layers before the "
            "cutoff.",
            "seed_fine": "The seed whose w is used by the others.",
            "cutoff": "The first style layer that uses the fine seed's w, from 0 to "
            "their number.",
        },
    )

    def __init__(self, network: StyleGenerator) -> None:
        super().__init__()
        self.weights = [variable.value for variable in network.variables]
        self.w_avg = network.w_avg.value
        synthesis = network.synthesis
        layers, w_size = synthesis.num_layers, synthesis.w_size
        latent = Argument("latent", tf.float32, (network.latent_size,))
        psi = Argument("truncation_psi", tf.float32, (), (-LARGEST_PSI, LARGEST_PSI))
        ws = Argument("w", tf.float32, (layers, w_size))
        seeds = [Argument(f"seed_{part}", tf.int64) for part in ("coarse", "fine")]
        cutoff = Argument("cutoff", tf.int32, (), (0, layers))
        label = _label(network.label_size)
        draw = _StyleFunctions(network)
        self.endpoints = {
            "serving_default": make_endpoint([latent, *label], draw.serving_default),
            "generate": make_endpoint([_SEED, psi, *label], draw.generate),
            "mapping": make_endpoint([latent, *label], draw.mapping),
            "synthesis": make_endpoint([ws], draw.synthesis),
            "mix": make_endpoint([*seeds, cutoff, *label], draw.mix),
        }
        maps = [
            tf.TensorSpec([None, *shape], tf.float32, f"noise_{i}")
            for i, shape in enumerate(synthesis.noise_shapes())
        ]

        @tf.function(
            input_signature=[tf.TensorSpec([None, layers, w_size], tf.float32), maps],
            autograph=False,
        )
        def noise_synthesis(w: tf.Tensor, noise: Sequence[tf.Tensor]) -> tf.Tensor:
            return synthesis(w, noise=noise)

        @tf.function(input_signature=[], autograph=False)
        def style_kernels() -> list[tf.Tensor]:
            return [adain.affine.scaled_kernel() for adain in synthesis.adains]

        self.noise_synthesis = noise_synthesis
        self.style_kernels = style_kernels


class _StyleFunctions:
    """The computation of the signatures.

    Separate from the module, which would store Keras's objects with it.
    """

    def __init__(self, network: StyleGenerator) -> None:
        self.network = network
        self.synthesis_network = network.synthesis
        self.shapes = network.synthesis.noise_shapes()

    def serving_default(
        self, latent: tf.Tensor, label: tf.Tensor | None = None
    ) -> Tensors:
        psi = tf.fill([tf.shape(latent)[0]], PSI)
        return {"image": self._draw(latent, label, self._fixed_noise(), psi)}

    def generate(
        self,
        seed: tf.Tensor,
        truncation_psi: tf.Tensor,
        label: tf.Tensor | None = None,
    ) -> Tensors:
        latent = sampling.latents(seed, self.network.latent_size)
        noise = sampling.noise(seed, self.shapes)
        return with_files({"image": self._draw(latent, label, noise, truncation_psi)})

    def mapping(self, latent: tf.Tensor, label: tf.Tensor | None = None) -> Tensors:
        labels = _one_hot(label, self.network.label_size)
        return {"w": tf.cast(self.network.mapping(latent, labels), tf.float32)}

    def synthesis(self, w: tf.Tensor) -> Tensors:
        return {"image": self.synthesis_network(w, noise=self._fixed_noise())}

    def mix(
        self,
        seed_coarse: tf.Tensor,
        seed_fine: tf.Tensor,
        cutoff: tf.Tensor,
        label: tf.Tensor | None = None,
    ) -> Tensors:
        size = self.network.latent_size
        coarse, fine = (
            self.mapping(sampling.latents(seed, size), label)["w"][:, tf.newaxis]
            for seed in (seed_coarse, seed_fine)
        )
        before = tf.range(len(self.shapes)) < cutoff[:, tf.newaxis]
        ws = tf.where(before[..., tf.newaxis], coarse, fine)
        noise = sampling.noise(seed_coarse, self.shapes)
        return with_files({"image": self.synthesis_network(ws, noise=noise)})

    def _draw(
        self,
        latent: tf.Tensor,
        label: tf.Tensor | None,
        noise: list[tf.Tensor],
        psi: tf.Tensor,
    ) -> tf.Tensor:
        labels = _one_hot(label, self.network.label_size)
        return self.network(latent, labels=labels, noise=noise, psi=psi, cutoff=CUTOFF)

    def _fixed_noise(self) -> list[tf.Tensor]:
        # Generated in every call: stored, it would be as large as the weights at 1024
        # px.
        return sampling.noise(
            tf.constant([sampling.FIXED_NOISE], tf.int64), self.shapes
        )


def make_endpoint(
    arguments: Sequence[Argument], function: Callable[..., Tensors]
) -> tf.types.experimental.ConcreteFunction:
    """A signature: a `function` of inputs that have been checked."""

    @tf.function(autograph=False)
    def endpoint(**inputs: tf.Tensor) -> Tensors:
        return function(**_checked(inputs, arguments))

    return endpoint.get_concrete_function(
        **{
            argument.name: tf.TensorSpec(
                [None, *argument.shape], argument.dtype, argument.name
            )
            for argument in arguments
        }
    )


def _checked(inputs: Tensors, arguments: Sequence[Argument]) -> Tensors:
    """The inputs, after a check of their shapes and values."""
    # A wrong rank in the first convolution would abort the whole process.
    inputs = {
        argument.name: tf.ensure_shape(inputs[argument.name], [None, *argument.shape])
        for argument in arguments
    }
    sizes = tf.stack([tf.shape(value)[0] for value in inputs.values()])
    names = ", ".join(inputs)
    checks = [
        assert_all(
            (sizes > 0) & (sizes == sizes[0]),
            "Give 1 or more samples, the same number for each input. Received for "
            f"{names}:",
            sizes,
        )
    ]
    for argument in arguments:
        if argument.limits is not None:
            smallest, largest = argument.limits
            value = inputs[argument.name]
            checks.append(
                assert_all(
                    (value >= smallest) & (value <= largest),
                    f"{argument.name} must be from {smallest} to {largest}. Received:",
                    value,
                )
            )
    with tf.control_dependencies(checks):
        return {name: tf.identity(value) for name, value in inputs.items()}


def assert_all(condition: tf.Tensor, message: str, received: tf.Tensor) -> tf.Operation:
    """Fails with a message and what was received unless all elements are true."""
    return tf.debugging.Assert(
        tf.reduce_all(condition), [message, received], summarize=16
    )


def _label(classes: int) -> list[Argument]:
    """The label input of a network with classes, none without."""
    return [Argument("label", tf.int64, (), (0, classes - 1))] if classes else []


def _one_hot(label: tf.Tensor | None, classes: int) -> tf.Tensor | None:
    return None if label is None else tf.one_hot(label, classes)


def with_files(outputs: Tensors) -> Tensors:
    """Adds PNG files if the number of channels allows it."""
    image = outputs["image"]
    if image.shape[-1] > png.MOST_CHANNELS:
        return outputs
    return outputs | {"image_bytes": png.encode(image)}
