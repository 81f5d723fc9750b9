"""NVlabs/stylegan's networks: random ones, their pickles, and what they compute.

Written from the facts of the published network files: the names and shapes of the
variables and the order of the operations, in TensorFlow's own, which the original is
made of. Only the axes are ours, [N, H, W, C], because convolutions on CPUs take no
other.
"""

import dataclasses
import pickle
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from tfgan_models.interop.dnnlib_file import PickledNetwork

GAIN = np.sqrt(2.0)
SIZES = {"latent_size": 12, "dlatent_size": 10, "mapping_layers": 3}


def width(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Returns the channels at a resolution."""
    return min(int(fmap_base / 2.0 ** (np.log2(resolution) - 1)), fmap_max)


def ladder(resolution: int) -> list[int]:
    """Returns 4, 8, ... up to the resolution."""
    return [2**i for i in range(2, int(np.log2(resolution)) + 1)]


class Variables(dict):
    """Random variables by name, of the size that they may have after training."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def add(self, name: str, *shape: int, deviation: float = 0.3) -> None:
        """Adds a variable from N(0, deviation**2)."""
        self[name] = self.rng.normal(0, deviation, shape).astype("float32")

    def layer(self, scope: str, *shape: int, lrmul: float = 1.0) -> None:
        """Adds a kernel and a bias."""
        self.add(f"{scope}/weight", *shape, deviation=1 / lrmul)
        self.add(f"{scope}/bias", shape[-1], deviation=0.3 / lrmul)


def make_generator(
    resolution: int,
    fmap_base: int = 256,
    fmap_max: int = 16,
    num_channels: int = 3,
    label_size: int = 0,
    lod: float = 0.0,
    name: str = "Gs",
    seed: int = 0,
    **options: Any,
) -> PickledNetwork:
    """Returns a G_style with random variables; further options go to static_kwargs."""
    sizes = {
        **SIZES,
        "resolution": resolution,
        "num_channels": num_channels,
        "label_size": label_size,
        "fmap_base": fmap_base,
        "fmap_max": fmap_max,
        **options,
    }
    parts = {
        "synthesis": ("G_synthesis", _synthesis_variables(sizes, seed)),
        "mapping": ("G_mapping", _mapping_variables(sizes, seed + 1)),
    }
    own = Variables(seed + 2)
    own["lod"] = np.array(lod, "float32")
    own.add("dlatent_avg", sizes["dlatent_size"])
    components = {
        part: _network(kind, kind, sizes, variables)
        for part, (kind, variables) in parts.items()
    }
    return _network(name, "G_style", sizes, own, components)


def _network(
    name: str,
    function: str,
    static_kwargs: dict[str, Any],
    variables: Variables,
    components: dict[str, PickledNetwork] | None = None,
) -> PickledNetwork:
    return PickledNetwork(
        name=name,
        build_func_name=function,
        static_kwargs=static_kwargs,
        components=components or {},
        variables=dict(variables),
    )


def _synthesis_variables(sizes: dict[str, Any], seed: int) -> Variables:
    v = Variables(seed)
    sides, w_size = ladder(sizes["resolution"]), sizes["dlatent_size"]
    widths = [width(side, sizes["fmap_base"], sizes["fmap_max"]) for side in sides]
    v["lod"] = np.array(0, "float32")
    v.add("4x4/Const/const", 1, widths[0], 4, 4, deviation=1)
    for i, scope in enumerate(scopes(sizes["resolution"])):
        channels = widths[i // 2]
        v.add(f"noise{i}", 1, 1, sides[i // 2], sides[i // 2], deviation=1)
        v.add(f"{scope}/Noise/weight", channels)
        if i:
            v.layer(scope, 3, 3, widths[(i - 1) // 2], channels)
        else:
            v.add(f"{scope}/bias", channels)
        v.layer(f"{scope}/StyleMod", w_size, 2 * channels)
    for lod, channels in enumerate(reversed(widths)):
        v.layer(f"ToRGB_lod{lod}", 1, 1, channels, sizes["num_channels"])
    return v


def _mapping_variables(sizes: dict[str, Any], seed: int) -> Variables:
    v, latent_size = Variables(seed), sizes["latent_size"]
    inputs, lrmul = latent_size, sizes.get("mapping_lrmul", 0.01)
    if sizes["label_size"]:
        inputs *= 2
        v.add("LabelConcat/weight", sizes["label_size"], latent_size, deviation=1)
    for i in range(sizes["mapping_layers"]):
        v.layer(f"Dense{i}", inputs, sizes["dlatent_size"], lrmul=lrmul)
        inputs = sizes["dlatent_size"]
    return v


def make_discriminator(
    resolution: int,
    fmap_base: int = 256,
    fmap_max: int = 16,
    num_channels: int = 3,
    label_size: int = 0,
    lod: float = 0.0,
    seed: int = 0,
    **options: Any,
) -> PickledNetwork:
    """Returns a D_basic with random variables; further options go to static_kwargs."""
    v, sides = Variables(seed), ladder(resolution)
    widths = {side: width(side, fmap_base, fmap_max) for side in [2, *sides]}
    v["lod"] = np.array(lod, "float32")
    for level, side in enumerate(reversed(sides)):
        v.layer(f"FromRGB_lod{level}", 1, 1, num_channels, widths[side])
    for side in sides[1:]:
        v.layer(f"{side}x{side}/Conv0", 3, 3, widths[side], widths[side])
        v.layer(f"{side}x{side}/Conv1_down", 3, 3, widths[side], widths[side // 2])
    v.layer("4x4/Conv", 3, 3, widths[4] + 1, widths[4])
    v.layer("4x4/Dense0", 16 * widths[4], widths[2])
    v.layer("4x4/Dense1", widths[2], max(label_size, 1))
    kwargs = {
        "resolution": resolution,
        "num_channels": num_channels,
        "label_size": label_size,
        "fmap_base": fmap_base,
        "fmap_max": fmap_max,
        **options,
    }
    return _network("D", "D_basic", kwargs, v)


def write_pickle(path: Path, *networks: PickledNetwork) -> Path:
    """Writes networks as dnnlib does: (G, D, Gs), or one of them alone.

    Its classes, which a pickle names, are there only while it is written. NumPy's
    modules have the names that they had then.
    """
    modules = {
        name: types.ModuleType(name)
        for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network", "dnnlib.util")
    }
    network_class = type(
        "Network",
        (),
        {
            "__module__": "dnnlib.tflib.network",
            "__getstate__": lambda self: self.state,
        },
    )
    dict_class = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    modules["dnnlib.tflib.network"].Network = network_class
    modules["dnnlib.util"].EasyDict = dict_class

    def build(network: PickledNetwork) -> Any:
        built = network_class()
        parts = {name: build(part) for name, part in network.components.items()}
        built.state = {
            "version": 4,
            "name": network.name,
            "static_kwargs": dict(network.static_kwargs),
            "components": dict_class(parts),
            "build_module_src": "raise RuntimeError('this source must never run')",
            "build_func_name": network.build_func_name,
            "variables": list(network.variables.items()),
        }
        return built

    built = tuple(build(network) for network in networks)
    with mock.patch.dict(sys.modules, modules):
        stored = pickle.dumps(built if len(built) > 1 else built[0], protocol=3)
    path.write_bytes(stored.replace(b"cnumpy._core.", b"cnumpy.core."))
    return path


# What they compute


def scopes(resolution: int) -> list[str]:
    """Returns where the variables of each style layer are."""
    rest = [
        f"{r}x{r}/{s}" for r in ladder(resolution)[1:] for s in ("Conv0_up", "Conv1")
    ]
    return ["4x4/Const", "4x4/Conv", *rest]


def scaled(weight: np.ndarray, gain: float = GAIN, lrmul: float = 1.0) -> tf.Tensor:
    """Equalises the learning rate."""
    scale = gain / np.sqrt(np.prod(weight.shape[:-1])) * lrmul
    return tf.constant(weight * scale, tf.float64)


def conv(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, stride, "SAME")


def lrelu(x: tf.Tensor) -> tf.Tensor:
    return tf.maximum(x, 0.2 * x)


def blur(x: tf.Tensor) -> tf.Tensor:
    kernel = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16
    kernel = tf.constant(np.tile(kernel, (1, 1, x.shape[-1], 1)), tf.float64)
    return tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME")


def upscale(x: tf.Tensor) -> tf.Tensor:
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


def downscale(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def shifts(kernel: tf.Tensor) -> tf.Tensor:
    """Returns the sum of a kernel's four shifts, [4, 4, ...]."""
    w = tf.pad(kernel, [[1, 1], [1, 1], [0, 0], [0, 0]])
    return w[1:, 1:] + w[:-1, 1:] + w[1:, :-1] + w[:-1, :-1]


def is_fused(side: int, fused_scale: Any) -> bool:
    return side >= 128 if fused_scale == "auto" else fused_scale


def up_conv(x: tf.Tensor, kernel: tf.Tensor, fused_scale: Any) -> tf.Tensor:
    """Doubles height and width, and convolves, in one where that is fused."""
    side = 2 * x.shape[1]
    if not is_fused(side, fused_scale):
        return conv(upscale(x), kernel)
    w = shifts(tf.transpose(kernel, (0, 1, 3, 2)))
    shape = (x.shape[0], side, side, kernel.shape[-1])
    return tf.nn.conv2d_transpose(x, w, shape, 2, "SAME")


def down_conv(x: tf.Tensor, kernel: tf.Tensor, fused_scale: Any) -> tf.Tensor:
    """Convolves, and halves height and width, in one where that is fused."""
    if not is_fused(x.shape[1], fused_scale):
        return downscale(conv(x, kernel))
    return conv(x, shifts(kernel) * 0.25, stride=2)


def fade(new: tf.Tensor, old: tf.Tensor, share: float) -> tf.Tensor:
    return new + (old - new) * float(np.clip(share, 0, 1))


def in_double(network: PickledNetwork) -> PickledNetwork:
    """Returns it with variables in float64: the twins are to be right to the digit.

    In float32 at 512 px they would be 4e-4 off, of which our networks are 3e-5.
    """
    return dataclasses.replace(
        network,
        variables={k: np.asarray(v, "float64") for k, v in network.variables.items()},
        components={k: in_double(v) for k, v in network.components.items()},
    )


def generate(
    network: PickledNetwork,
    latents: np.ndarray,
    labels: np.ndarray | None,
    noise: list[np.ndarray],
    psi: float = 1.0,
    cutoff: int = 8,
) -> np.ndarray:
    """Draws [N, R, R, C] with G_style, R the full resolution whatever the lod."""
    network = in_double(network)
    w = map_latents(network, latents, labels)
    average = network.variables["dlatent_avg"]
    coefs = np.where(np.arange(len(noise)) < cutoff, psi, 1.0)[None, :, None]
    ws = average + (w[:, None] - average) * coefs
    options, v = network.static_kwargs, network.components["synthesis"].variables
    sides, lod_in = ladder(options["resolution"]), float(network.variables["lod"])
    x = tf.constant(v["4x4/Const/const"].transpose(0, 2, 3, 1))
    x = tf.repeat(x, len(latents), axis=0)
    images: Any = None
    for i, scope in enumerate(scopes(options["resolution"])):
        if i:
            kernel = scaled(v[f"{scope}/weight"])
            fused_scale = options.get("fused_scale", "auto")
            up = i % 2 == 0
            x = blur(up_conv(x, kernel, fused_scale)) if up else conv(x, kernel)
        x = x + noise[i] * v[f"{scope}/Noise/weight"]
        x = lrelu(x + v[f"{scope}/bias"])
        x = x - tf.reduce_mean(x, (1, 2), keepdims=True)
        x = x * tf.math.rsqrt(tf.reduce_mean(x * x, (1, 2), keepdims=True) + 1e-8)
        style = ws[:, i] @ scaled(v[f"{scope}/StyleMod/weight"], gain=1)
        style = tf.reshape(
            style + v[f"{scope}/StyleMod/bias"], (-1, 2, 1, 1, x.shape[-1])
        )
        x = x * (style[:, 0] + 1) + style[:, 1]
        if i % 2:
            lod = len(sides) - 1 - i // 2
            rgb = f"ToRGB_lod{lod}"
            image = conv(x, scaled(v[f"{rgb}/weight"], gain=1)) + v[f"{rgb}/bias"]
            images = image if i == 1 else fade(image, upscale(images), lod_in - lod)
    return images.numpy()


def map_latents(
    network: PickledNetwork, latents: np.ndarray, labels: np.ndarray | None
) -> np.ndarray:
    """Returns w [N, dlatent_size]."""
    v = in_double(network.components["mapping"]).variables
    lrmul = network.static_kwargs.get("mapping_lrmul", 0.01)
    x = tf.constant(latents, tf.float64)
    if labels is not None:
        x = tf.concat([x, labels @ v["LabelConcat/weight"]], axis=1)
    x = x * tf.math.rsqrt(tf.reduce_mean(x * x, axis=1, keepdims=True) + 1e-8)
    for i in range(network.static_kwargs["mapping_layers"]):
        x = x @ scaled(v[f"Dense{i}/weight"], lrmul=lrmul)
        x = lrelu(x + v[f"Dense{i}/bias"] * lrmul)
    return x.numpy()


def judge(
    network: PickledNetwork, images: np.ndarray, labels: np.ndarray | None
) -> np.ndarray:
    """Scores images [N, R, R, C] with D_basic."""
    options, v = network.static_kwargs, in_double(network).variables
    fused_scale = options.get("fused_scale", "auto")
    sides, lod_in = ladder(options["resolution"]), float(v["lod"])

    def layer(x: tf.Tensor, scope: str, down: bool = False) -> tf.Tensor:
        kernel = scaled(v[f"{scope}/weight"])
        y = down_conv(x, kernel, fused_scale) if down else conv(x, kernel)
        return lrelu(y + v[f"{scope}/bias"])

    image = tf.constant(images, tf.float64)
    x = layer(image, "FromRGB_lod0")
    for lod, side in enumerate(sides[:0:-1]):
        x = blur(layer(x, f"{side}x{side}/Conv0"))
        x = layer(x, f"{side}x{side}/Conv1_down", down=True)
        image = downscale(image)
        x = fade(x, layer(image, f"FromRGB_lod{lod + 1}"), lod_in - lod)
    x = stddev(x, options.get("mbstd_group_size", 4))
    x = layer(x, "4x4/Conv")
    x = tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (len(images), -1))
    x = lrelu(x @ scaled(v["4x4/Dense0/weight"]) + v["4x4/Dense0/bias"])
    x = x @ scaled(v["4x4/Dense1/weight"], gain=1) + v["4x4/Dense1/bias"]
    if labels is not None:
        x = tf.reduce_sum(x * labels, axis=1, keepdims=True)
    return x.numpy()


def stddev(x: tf.Tensor, group_size: int) -> tf.Tensor:
    """Appends the deviation in groups of each M-th image."""
    group = min(group_size, x.shape[0])
    y = tf.reshape(x, (group, -1, *x.shape[1:]))
    y = tf.sqrt(tf.math.reduce_variance(y, axis=0) + 1e-8)
    y = tf.reduce_mean(y, axis=(1, 2, 3), keepdims=True)
    return tf.concat([x, tf.tile(y, (group, *x.shape[1:3], 1))], axis=-1)
