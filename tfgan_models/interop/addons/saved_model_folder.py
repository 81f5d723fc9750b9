"""Keras 2 models in SavedModel folders."""

import itertools
import math
from pathlib import Path

import numpy as np
from google.protobuf import message

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons.check import refuse_unknown
from tfgan_models.interop.addons.description import Layer, Model, decode, parse
from tfgan_models.interop.addons.weights import slots

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
_LARGEST_MESSAGE = 2**24
_NOT_WEIGHTS = ("optimizer/", "keras_api/", "save_counter/", "_CHECKPOINTABLE")


def read(folder: Path) -> tuple[Model, str]:
    """Reads a model which Keras 2 saved as a SavedModel.

    Args:
        folder: With saved_model.pb and variables/.

    Returns:
        The model with its layers' arrays, and no version: it names things in one way.

    Raises:
        UsageError: It is no such folder, is damaged, or was not written by Keras.
    """
    text = _metadata(folder)
    if text is None:
        raise UsageError(
            f"{folder} has no description of a Keras model (keras_metadata.pb): it was "
            'not written by Keras 2\'s model.save("FOLDER").'
        )
    description = decode(text)
    if not isinstance(description, dict) or not isinstance(
        description.get("config"), dict
    ):
        kind = description.get("class_name") if isinstance(description, dict) else None
        raise UsageError(
            f"{folder} holds a model of class {kind!r}, whose code is not in the file. "
            "Only functional and sequential Keras 2 models are supported."
        )
    model = parse(description)
    refuse_unknown(model, folder)
    _Variables(folder).fill(model)
    return model, ""


def _metadata(folder: Path) -> str | None:
    """What Keras wrote about the outermost model; None: nothing."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow.python.keras.protobuf import saved_metadata_pb2

    try:
        if (folder / "keras_metadata.pb").is_file():
            data = _bounded(folder / "keras_metadata.pb")
            nodes = saved_metadata_pb2.SavedMetadata.FromString(data).nodes
            found = [node.metadata for node in nodes if node.node_path == "root"]
        else:  # Before TensorFlow 2.5.
            data = _bounded(folder / "saved_model.pb")
            graphs = saved_model_pb2.SavedModel.FromString(data).meta_graphs
            nodes = graphs[0].object_graph_def.nodes if graphs else []
            found = [node.user_object.metadata for node in nodes[:1]]
    except message.DecodeError:
        raise UsageError(
            f"{folder} is damaged: its description is unreadable."
        ) from None
    return found[0] if found and found[0] else None


def _bounded(path: Path) -> bytes:
    """The bytes of a message, which takes up to 50 times as much memory when parsed."""
    size = path.stat().st_size
    if size > _LARGEST_MESSAGE:
        raise UsageError(
            f"{path} has {size} bytes. Descriptions of up to {_LARGEST_MESSAGE} are "
            'read; save the model as one file: model.save("model.h5").'
        )
    return path.read_bytes()


class _Variables:
    """The checkpoint of a SavedModel, found by the layers' places in the model."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        self.folder = folder
        prefix = folder / "variables" / "variables"
        try:
            self.reader = tf.train.load_checkpoint(str(prefix))
            self._check_sizes(prefix)
            graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
                self.reader.get_tensor(_GRAPH)
            )
        except (tf.errors.OpError, ValueError, message.DecodeError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(
                f"{folder} is damaged: its variables are unreadable: "
                f"{str(error).splitlines()[0][:120]}."
            ) from None
        self.nodes = graph.nodes
        self.unused = {
            name for name in self.shapes if not name.startswith(_NOT_WEIGHTS)
        }

    def _check_sizes(self, prefix: Path) -> None:
        self.shapes = self.reader.get_variable_to_shape_map()
        types = self.reader.get_variable_to_dtype_map()
        held = sum(
            file.stat().st_size for file in prefix.parent.glob(f"{prefix.name}.data-*")
        )
        declared = sum(
            math.prod(shape) * types[name].size for name, shape in self.shapes.items()
        )
        if declared > held:
            raise UsageError(
                f"{self.folder} is damaged: its variables are declared as {declared} "
                f"bytes, its files have {held}."
            )

    def fill(self, model: Model) -> None:
        """Gives each layer its arrays, and checks that none is left over."""
        self._fill_model(model, 0)
        if self.unused:
            raise UsageError(
                f"{self.folder} has variables that belong to no layer of its "
                f"description: {', '.join(sorted(self.unused)[:4])}."
            )

    def _fill_model(self, model: Model, node: int) -> None:
        for index, layer in enumerate(model.weighted()):
            child = self._child(node, f"layer-{index}", layer)
            if layer.model is not None:
                self._fill_model(layer.model, child)
                continue
            for slot in itertools.chain(*slots(layer)):
                at = child
                for name in slot.path:
                    at = self._child(at, name, layer)
                layer.arrays[slot.name] = self._value(at, layer)

    def _child(self, node: int, name: str, layer: Layer) -> int:
        if node < len(self.nodes):
            for child in self.nodes[node].children:
                if child.local_name == name:
                    return child.node_id
        raise UsageError(
            f"{self.folder} has no {name!r} of layer {layer.name!r} ({layer.kind}), "
            "which its description names."
        )

    def _value(self, node: int, layer: Layer) -> np.ndarray:
        attributes = self.nodes[node].attributes if node < len(self.nodes) else []
        for attribute in attributes:
            key = attribute.checkpoint_key
            if key in self.shapes and key.endswith(_SUFFIX):
                self.unused.discard(key)
                return self.reader.get_tensor(key)
        raise UsageError(
            f"{self.folder} has no value of a weight of layer {layer.name!r} "
            f"({layer.kind})."
        )
