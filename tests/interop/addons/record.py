"""Models of the real tensorflow-addons, with what they answer: run by `make interop`.

Runs under tensorflow-addons 0.23 and TensorFlow 2.15, so it imports nothing of ours:
what it needs lies beside it. Usage: python record.py FOLDER
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

import layer_models  # noqa: E402
import models  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import logging  # noqa: E402

tf.get_logger().setLevel("ERROR")
logging.set_verbosity(logging.ERROR)
FORMATS = ("h5", "traces", "compiled")
"""A .h5 file; a SavedModel with traced functions; a compiled one without them."""

MODELS: dict[str, tuple[Callable[[], tf.keras.Model], tuple[str, ...]]] = {
    "cyclegan": (lambda: models.cyclegan(8, 3), FORMATS),
    "cyclegan_paper": (lambda: models.cyclegan(64, 9), ("h5",)),
    "patchgan": (models.patchgan, FORMATS),
    "unet": (models.unet, FORMATS),
    "shared": (models.shared, FORMATS),
    "frozen": (models.frozen, FORMATS),
    "spectral": (layer_models.spectral, FORMATS),
    "weight_norm": (layer_models.weight_norm, ("h5", "compiled")),
    "nested_wrappers": (layer_models.nested_wrappers, ("h5", "compiled")),
    "instance_norms": (layer_models.instance_norms, ("h5", "compiled")),
    "group_norms": (layer_models.group_norms, ("h5", "compiled")),
    "flat_norms": (layer_models.flat_norms, ("h5",)),
    "adaptive_pooling": (layer_models.adaptive_pooling, ("h5", "compiled")),
    "activations": (layer_models.activations, ("h5", "compiled")),
    "bilinear": (layer_models.bilinear, ("h5",)),
    "gelu": (layer_models.gelu, FORMATS),
    "operation_nodes": (layer_models.operation_nodes, ("h5",)),
    "stock_layers": (layer_models.stock_layers, ("h5", "compiled")),
    "merges": (layer_models.merges, ("h5", "compiled")),
    "labelled": (models.labelled, ("h5", "compiled")),
    "operations": (layer_models.operations, ("h5", "compiled")),
}
"""Name -> what makes the model, and the formats it is written in."""


def example(tensor: Any, rng: np.random.Generator) -> np.ndarray:
    """Two inputs; smooth as pictures are, of 64 pixels where any number will do."""
    shape = [2, *(64 if size is None else size for size in tensor.shape[1:])]
    if tensor.dtype.is_integer:
        return rng.integers(0, 5, shape).astype(tensor.dtype.as_numpy_dtype)
    values = rng.uniform(-1, 1, shape).astype("float32")
    if shape[1:3] == [64, 64]:
        coarse = rng.uniform(-1, 1, (2, 8, 8, shape[3])).astype("float32")
        smooth = tf.image.resize(coarse, (64, 64), "bicubic").numpy()
        values = np.clip(smooth + 0.1 * values, -1, 1)
    return values


def train(model: tf.keras.Model, rng: np.random.Generator) -> None:
    """Weights and statistics as after training, all of them different."""
    for weight in model.weights:
        kind = weight.name.split("/")[-1].split(":")[0]
        noise = rng.standard_normal(weight.shape).astype("float32")
        if kind in ("gamma", "moving_variance"):
            weight.assign(np.abs(1 + 0.3 * noise) + 0.1)
        elif kind in ("beta", "bias", "moving_mean", "alpha"):
            weight.assign(0.3 * noise)
        elif "kernel" in kind or kind == "embeddings":
            weight.assign(noise / np.sqrt(max(np.prod(weight.shape[:-1]), 1)))


def write(name: str, folder: Path) -> None:
    tf.keras.backend.clear_session()
    rng = np.random.default_rng(sum(map(ord, name)))
    make, formats = MODELS[name]
    model = make()
    train(model, rng)
    inputs = [example(tensor, rng) for tensor in model.inputs]
    if name in ("spectral", "nested_wrappers"):
        for _ in range(3):  # Normalises the kernels, as each training step does.
            model(inputs if len(inputs) > 1 else inputs[0], training=True)
    if name == "weight_norm":
        model(inputs[0])  # Sets the scales from the data, once.
        for weight in model.trainable_weights:
            weight.assign_add(0.1 * rng.standard_normal(weight.shape).astype("float32"))
    if isinstance(model.input, dict):
        given = dict(zip(model.input_names, inputs, strict=True))
    else:
        given = inputs if len(inputs) > 1 else inputs[0]
    outputs = tf.nest.flatten(model(given, training=False))
    arrays = {f"input_{i}": value for i, value in enumerate(inputs)}
    arrays |= {f"output_{i}": value.numpy() for i, value in enumerate(outputs)}
    np.savez(folder / f"{name}.npz", **arrays)
    for kind in formats:
        if kind == "compiled":
            model.compile(tf.keras.optimizers.Adam(), loss="mse")
            model.optimizer.build(model.trainable_variables)
        if kind == "h5":
            model.save(folder / f"{name}.h5")
            if name == "gelu":
                layer_models.name_gelu(folder / f"{name}.h5")
        else:
            model.save(folder / f"{name}_{kind}", save_traces=kind == "traces")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        write(name, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
