"""The models of a folder: which versions there are, loading them, running them.

Layout: `<model_base>/<name>/<integer version>/saved_model.pb`.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.serving.status import Code, ServingError
from tfgan_models.errors import UsageError

# How TensorFlow's error messages begin the lines that do not say what is wrong.
_PLACE_LINES = ("Graph execution error", "Detected at node", "File ", "<stack", "[[")


@dataclass(frozen=True)
class Signature:
    """A function of a model that requests can name.

    Args:
        function: The concrete function: keyword tensors in, a dict of tensors out.
        inputs: Input name -> dtype, by TensorFlow's names.
    """

    function: Any
    inputs: Mapping[str, str]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function.

        Args:
            inputs: Arrays of exactly the dtypes of `inputs`; strings as bytes objects.

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
            return {name: _to_numpy(tensor) for name, tensor in outputs.items()}
        except tf.errors.OpError as error:
            raise ServingError(
                Code(error.error_code), _plain_message(error.message)
            ) from error


class Model:
    """One loaded version of a model.

    Args:
        directory: The SavedModel.
    """

    def __init__(self, directory: Path) -> None:
        import tensorflow as tf

        # The functions do not keep their variables alive; the loaded object does.
        self._loaded = tf.saved_model.load(str(directory))
        self._signatures = {
            name: _unchecked(function)
            for name, function in self._loaded.signatures.items()
        }
        self.directory = directory

    def signature(self, name: str) -> Signature:
        """Returns the signature called `name`.

        Raises:
            ServingError: There is none.
        """
        if name not in self._signatures:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f'Serving signature name: "{name}" not found in signature def',
            )
        return self._signatures[name]


class ModelFolder:
    """The models found under a folder at the time of construction.

    The newest version of each is loaded by `load_newest`, older ones when they are
    first asked for. Safe to use from several threads.

    Args:
        model_base: Holds `<name>/<integer version>/saved_model.pb`.

    Raises:
        UsageError: There is no such folder, or no model in it.
    """

    def __init__(self, model_base: Path) -> None:
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
        found = {path.name: versions_in(path) for path in sorted(model_base.iterdir())}
        self._directories = {name: v for name, v in found.items() if v}
        if not self._directories:
            raise UsageError(
                f"model_base={model_base} holds no <name>/<version>/saved_model.pb. "
                "Export a model there first: python -m export.saved_model"
            )
        self._models: dict[tuple[str, int], Model] = {}
        self._loading = threading.Lock()

    def newest(self) -> dict[str, int]:
        """Returns the newest version of each model, by model name."""
        return {name: max(v) for name, v in self._directories.items()}

    def load_newest(self) -> None:
        """Loads the newest version of each model."""
        for name in self._directories:
            self.model(name)

    def versions(self, name: str) -> list[int]:
        """Returns the versions of model `name`, the newest first; empty for none."""
        return sorted(self._directories.get(name, ()), reverse=True)

    def resolve(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> int:
        """Returns the version that a request means.

        Args:
            name: Of the model.
            version: Exactly this one; None: the newest.
            label: A version label. None are defined: any label is an error.

        Raises:
            ServingError: There is no such model, version or label.
        """
        if label is not None:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        versions = self._directories.get(name, {})
        if version is None and versions:
            return max(versions)
        if version is None:
            wanted = f"Latest({name})"
        elif version in versions:
            return version
        else:
            wanted = f"Specific({name}, {version})"
        raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")

    def model(self, name: str, version: int | None = None) -> Model:
        """Returns a version of a model, loading it if it is not loaded yet.

        Args:
            name: Of the model.
            version: None: the newest.

        Raises:
            ServingError: There is no such model or version, or it cannot be loaded.
        """
        version = self.resolve(name, version)
        key = (name, version)
        with self._loading:
            if key not in self._models:
                directory = self.directory(name, version)
                try:
                    self._models[key] = Model(directory)
                except Exception as error:
                    # A damaged file makes the loader raise almost anything.
                    reason = str(error).split("\n")[0]
                    raise ServingError(
                        Code.INTERNAL, f"Could not load {directory}: {reason}"
                    ) from error
            return self._models[key]

    def directory(self, name: str, version: int) -> Path:
        """Returns the SavedModel directory of a version that exists."""
        return self._directories[name][version]


def versions_in(directory: Path) -> dict[int, Path]:
    """Returns version -> SavedModel of a model's folder; {} where it holds none."""
    if not directory.is_dir():
        return {}
    return {
        int(path.name): path
        for path in directory.iterdir()
        if re.fullmatch(r"[0-9]+", path.name) and (path / "saved_model.pb").is_file()
    }


def _unchecked(function: Any) -> Signature:
    """A signature which leaves shapes to the graph, as TensorFlow Serving does."""
    import tensorflow as tf

    specs = function.structured_input_signature[1]

    @tf.function(autograph=False)
    def call(**inputs: Any) -> Any:
        return function(**inputs)

    unknown = {n: tf.TensorSpec(None, spec.dtype, n) for n, spec in specs.items()}
    dtypes = {name: spec.dtype.name for name, spec in specs.items()}
    return Signature(call.get_concrete_function(**unknown), dtypes)


def _to_numpy(tensor: Any) -> np.ndarray:
    # A scalar string comes as bytes, which numpy would strip of trailing zeros.
    value = tensor.numpy()
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _plain_message(message: str) -> str:
    """What went wrong, without the places in the graph where it was found."""
    for line in message.split("\n"):
        text = re.sub(r"\{\{.*?\}\}", "", line).strip()
        if text and not text.startswith(_PLACE_LINES):
            return text
    return "The model failed."
