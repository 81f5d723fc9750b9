"""Where models are, and one version of a model: its signatures, loaded and run.

Layout: `<model_base>/<name>/<integer version>/saved_model.pb`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from export.serving.metadata import signature_defs
from export.serving.status import Code, ServingError
from export.serving.tf_messages import plain
from tfgan_models.errors import UsageError
from tfgan_models.runs.saved_models import versions_in

if TYPE_CHECKING:
    import tensorflow as tf

Shape: TypeAlias = tuple[int | None, ...] | None
"""A tensor's shape; None for an unknown dimension or an unknown rank."""


DEFAULT_SIGNATURE = "serving_default"
"""The signature of a request that names none."""

MAX_RANK = 32
"""Of an array: NumPy 1's limit; NumPy 2's is 64, TensorFlow's 254."""


@dataclass(frozen=True)
class Signature:
    """A model's function that requests can name.

    Args:
        function: Keyword tensors in, a dict of tensors out.
        inputs: Input name -> dtype, by TensorFlow's names; sorted.
        shapes: Input name -> its declared shape.
        outputs: Output name -> dtype; sorted.
        batched: Whether every input and output is declared with an unknown first
            dimension, that of the examples.
    """

    function: Callable[..., Mapping[str, "tf.Tensor"]]
    inputs: Mapping[str, str]
    shapes: Mapping[str, Shape]
    outputs: Mapping[str, str]
    batched: bool

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function.

        Args:
            inputs: Arrays of exactly the dtypes of `inputs`; strings as bytes objects.

        Returns:
            The outputs, sorted by name.

        Raises:
            ServingError: TensorFlow refused the inputs or failed.
        """
        import tensorflow as tf

        try:
            tensors = {
                name: tf.constant(array, self.inputs[name])
                for name, array in inputs.items()
            }
            outputs = self.function(**tensors)
            return {name: _to_numpy(outputs[name]) for name in self.outputs}
        except tf.errors.OpError as error:
            raise ServingError(Code(error.error_code), plain(error.message)) from error


class Model:
    """One loaded version of a model.

    Args:
        directory: The SavedModel.
    """

    def __init__(self, directory: Path) -> None:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(directory))
        self.directory = directory
        # Kept, because the folder may be gone before the version is unloaded.
        self.definitions = signature_defs(directory)
        self.signatures: Mapping[str, Signature] = {
            name: _signature(loaded, name) for name in sorted(loaded.signatures)
        }

    def signature(self, name: str) -> Signature:
        """Returns the signature called `name`.

        Raises:
            ServingError: There is none.
        """
        if name not in self.signatures:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f'Serving signature name: "{name}" not found in signature def',
            )
        return self.signatures[name]


def find(model_base: Path) -> dict[str, dict[int, Path]]:
    """Returns model name -> version -> SavedModel, without hidden folders."""
    found = {}
    for path in model_base.iterdir():
        # A volume's lost+found is readable by root only.
        if not path.name.startswith(".") and os.access(path, os.R_OK | os.X_OK):
            found[path.name] = versions_in(path)
    return found


def check_folder(model_base: Path) -> None:
    """Refuses a folder without models.

    Raises:
        UsageError: There is no `<name>/<integer version>/saved_model.pb` in it.
    """
    if not model_base.is_dir():
        raise UsageError(
            f"model_base={model_base} is not a folder. Give the folder that holds "
            "<name>/<version>/saved_model.pb."
        )
    if versions_in(model_base):
        raise UsageError(
            f"model_base={model_base} is itself one model's folder. "
            f"Give its parent: {model_base.absolute().parent}"
        )
    if not any(find(model_base).values()):
        raise UsageError(
            f"model_base={model_base} has no <name>/<version>/saved_model.pb. "
            "Export a model there first: python -m export.saved_model"
        )


def _signature(loaded: Any, name: str) -> Signature:
    """A signature that leaves shapes to the graph, as TensorFlow Serving does."""
    import tensorflow as tf

    function = loaded.signatures[name]
    given = dict(sorted(function.structured_input_signature[1].items()))
    made = dict(sorted(function.structured_outputs.items()))

    @tf.function(autograph=False)
    def unchecked(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**inputs)

    unknown = {n: tf.TensorSpec(None, spec.dtype, n) for n, spec in given.items()}
    concrete = unchecked.get_concrete_function(**unknown)

    def call(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        # Functions do not keep their variables alive: the loaded object does.
        _ = loaded
        return concrete(**tensors)

    return Signature(
        call,
        {name: spec.dtype.name for name, spec in given.items()},
        {name: _shape(spec) for name, spec in given.items()},
        {name: spec.dtype.name for name, spec in made.items()},
        all(_opens(_shape(spec)) for spec in (*given.values(), *made.values())),
    )


def _shape(spec: "tf.TensorSpec") -> Shape:
    return None if spec.shape.rank is None else tuple(spec.shape)


def _opens(shape: Shape) -> bool:
    return shape is not None and shape[:1] == (None,)


def _to_numpy(tensor: "tf.Tensor") -> np.ndarray:
    # A scalar string comes as bytes, which NumPy would strip of trailing zeros.
    value = tensor.numpy()
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)
