"""Arguments of `fit` and `evaluate`, converted to the batch that a step takes.

A model's `batch_spec` defines a batch: its names, in order, with shape and type.
Float tensors of rank 4 are images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Specs = Mapping[str, tf.TensorSpec]

FURTHEST = 1.5
"""Absolute values allowed in an image: sharpening filters leave [-1, 1] by less."""

_DEFAULT_SIZE = 32  # Keras's default.
_RESCALE = "Convert bytes to this range with `images / 127.5 - 1`"


def images(*shape: int | None) -> tf.TensorSpec:
    """Returns the spec of images [N, *shape] in [-1, 1]."""
    return tf.TensorSpec([None, *shape], tf.float32)


def labels() -> tf.TensorSpec:
    """Returns the spec of classes [N]."""
    return tf.TensorSpec([None], tf.int32)


def latents(size: int, label_size: int) -> Any:
    """Returns the specs of latents [N, size] and, where there are any, of classes."""
    latent = tf.TensorSpec([None, size], tf.float32, "latent")
    label = tf.TensorSpec([None], tf.int64, "label")
    return (latent, label) if label_size else latent


def named(data: Any, specs: Specs, model: str) -> dict[str, tf.Tensor]:
    """Names the parts of a batch and checks their shapes and types.

    A traced function only keeps the cast of other floats to float32.

    Args:
        data: A dict of the names in `specs`, possibly with others; or as many values
            in the same order, as from `fit(x, y)` and data sets of tuples.
        specs: What the model takes; empty if it does not say.
        model: Its class's name, for the error.

    Returns:
        Only the named parts.

    Raises:
        ValueError: Parts are missing, too many, or of another shape or type.
    """
    if not specs:
        return data
    parts = _parts(data, specs)
    fits = list(parts) == list(specs) and all(
        _fits(parts[name], spec) for name, spec in specs.items()
    )
    if not fits:
        bytes_given = any(
            tf.as_dtype(part.dtype).is_integer and specs[name].dtype.is_floating
            for name, part in parts.items()
            if name in specs and hasattr(part, "dtype")
        )
        received = ", ".join(_described(name, part) for name, part in parts.items())
        raise ValueError(
            f"{model} takes batches of {_expected(specs)}: a dict of these names, or a "
            f"tuple in this order. Received: {received or 'nothing'}."
            + bytes_given
            * f" {_RESCALE}."
        )
    return {
        name: tf.cast(part, tf.float32) if specs[name].dtype.is_floating else part
        for name, part in parts.items()
    }


def check_first(x: Any, y: Any, specs: Specs, model: str) -> None:
    """Checks the first batch of the arguments of `fit` or `evaluate`.

    A `tf.data.Dataset` makes its first batch once more for this; sources that can be
    read only once, generators and distributed data sets, are not read.

    Args:
        x: As for `fit`.
        y: As for `fit`.
        specs: See `named`.
        model: See `named`.

    Raises:
        ValueError: See `named`; or arrays are of different lengths, or images not in
            [-1, 1].
    """
    if is_arrays(x):
        _check_lengths((x, y), specs)
        first = _cut((x, y), 0, _DEFAULT_SIZE)
    elif isinstance(x, tf.data.Dataset):
        first = next(iter(x.take(1)), None)
    elif isinstance(x, keras.utils.PyDataset):
        first = x[0]
    else:
        return
    if first is None or not specs:
        return
    for name, part in named(first, specs, model).items():
        if specs[name].shape.rank == 4:
            _check_range(name, np.asarray(part), model)


def is_arrays(x: Any) -> bool:
    """Says whether `x` is an array, or a list, tuple or dict of arrays."""
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def dataset(
    x: Any,
    y: Any,
    batch_size: int | None,
    replicas: int,
    shuffle: bool = True,
    seed: int = 0,
) -> tf.data.Dataset:
    """Makes full batches of arrays: replicas cannot train on a partial one.

    Args:
        x: Arrays of one length.
        y: None, or more of them.
        batch_size: Over all replicas; None: 32, or all images if there are fewer.
        replicas: A batch is a multiple of this number.
        shuffle: Whether to reshuffle for each pass, or keep the order.
        seed: For shuffling.

    Raises:
        ValueError: There are too few images for a batch.
    """
    arrays = keras.tree.map_structure(tf.convert_to_tensor, x if y is None else (x, y))
    count = keras.tree.flatten(arrays)[0].shape[0]
    size = batch_size or min(_DEFAULT_SIZE, count) // replicas * replicas
    if not 0 < size <= count:
        raise ValueError(
            f"There is no batch in {count} images: batch_size must be from {replicas} "
            f"to {count}. Received: batch_size={batch_size}"
        )
    order = tf.data.Dataset.range(count)
    if shuffle:
        order = order.shuffle(count, seed=seed)
    return (
        order.batch(size, drop_remainder=True)
        .map(lambda i: tf.nest.map_structure(lambda a: tf.gather(a, i), arrays))
        .prefetch(2)
    )


def x_and_y(data: Any) -> tuple[Any, Any]:
    """Splits `validation_data`: both elements of a tuple, otherwise itself and None."""
    return (*data, None)[:2] if isinstance(data, tuple) else (data, None)


def split(arrays: Any, share: float) -> tuple[Any, Any]:
    """Returns the first of some arrays and, as a fraction `share`, the last."""
    count = len(_leaves(arrays)[0])
    kept = int(count * (1.0 - share))
    return _cut(arrays, 0, kept), _cut(arrays, kept, count)


def _parts(data: Any, specs: Specs) -> dict[str, Any]:
    """The parts by name, numbered from 1 if they have no name."""
    if isinstance(data, list | tuple):
        # Keras adds missing targets and weights.
        data = [part for part in data if part is not None]
        if len(data) == 1 and isinstance(data[0], Mapping | list | tuple):
            return _parts(data[0], specs)
    if isinstance(data, Mapping):
        known = {name: data[name] for name in specs if name in data}
        return known if len(known) == len(specs) else dict(data)
    values = data if isinstance(data, list) else [data]
    names = [*specs, *(f"part {i + 1}" for i in range(len(specs), len(values)))]
    return dict(zip(names, values, strict=False))


def _fits(part: Any, spec: tf.TensorSpec) -> bool:
    dtype = tf.as_dtype(part.dtype)
    kind = dtype.is_floating if spec.dtype.is_floating else dtype.is_integer
    return kind and spec.shape.is_compatible_with(part.shape)


def _expected(specs: Specs) -> str:
    told = [
        _described(name, spec) + (spec.shape.rank == 4) * " in [-1, 1]"
        for name, spec in specs.items()
    ]
    return " and ".join(told)


def _described(name: str, part: Any) -> str:
    """Name, type and shape, as `real float32 [N, 8, 8, 3]`."""
    if not hasattr(part, "shape"):
        return f"{name} {type(part).__name__}"
    sizes = ", ".join("N" if size is None else str(size) for size in part.shape)
    return f"{name} {tf.as_dtype(part.dtype).name} [{sizes}]"


def _check_lengths(arrays: Any, specs: Specs) -> None:
    lengths = [len(leaf) for leaf in _leaves(arrays)]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Arrays must have one length. Received: {' and '.join(map(str, lengths))}."
            " Domains of different sizes are a data set: tf.data.Dataset.zip of one "
            "for each, repeated, shuffled and batched, with steps_per_epoch"
        )


def _leaves(structure: Any) -> Sequence[Any]:
    return [leaf for leaf in keras.tree.flatten(structure) if leaf is not None]


def _cut(structure: Any, start: int, end: int) -> Any:
    return keras.tree.map_structure(
        lambda leaf: None if leaf is None else leaf[start:end], structure
    )


def _check_range(name: str, pixels: np.ndarray, model: str) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    # Neither holds for NaN.
    if not (low >= -FURTHEST and high <= FURTHEST):
        raise ValueError(
            f"{model} takes images in [-1, 1]. Received: {name} from {low:g} to "
            f"{high:g}. {_RESCALE}."
        )
