"""Files in Keras 2's layouts, made without it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

Weights = Mapping[str, Sequence[tuple[str, np.ndarray]]]


def layer(kind: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "config": {"name": name, "dtype": "float32", **arguments},
    }


def image(*shape: int | None, name: str = "image") -> dict[str, Any]:
    return layer("InputLayer", name, batch_input_shape=[None, *shape])


def stack(*layers: dict[str, Any]) -> dict[str, Any]:
    """A Sequential."""
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def function(name: str, target: str, node: Any, kind: str = "TFOpLambda") -> Any:
    """A TensorFlow function between layers of `graph`."""
    return {**layer(kind, name, function=target), "inbound_nodes": [node]}


def graph(inputs: Sequence[Any], *layers: Any, outputs: Sequence[Any]) -> Any:
    """A Functional; a layer without inbound_nodes takes the one before it."""
    described, last = [], None
    for each in (*inputs, *layers):
        name = each["config"]["name"]
        nodes = [] if each["class_name"] == "InputLayer" else [[[last, 0, 0, {}]]]
        described.append({"inbound_nodes": nodes, "name": name, **each})
        last = name
    config = {
        "name": "m",
        "layers": described,
        "input_layers": [[each["config"]["name"], 0, 0] for each in inputs],
        "output_layers": [list(each) for each in outputs],
    }
    return {"class_name": "Functional", "config": config}


def write_h5(path: Path, config: Any, weights: Weights | None = None) -> Path:
    """Layer -> its weights by name, in the order of the file."""
    with h5py.File(path, "w") as file:
        text = config if isinstance(config, str) else json.dumps(config)
        file.attrs["model_config"] = text
        file.attrs["keras_version"] = "2.15.0"
        groups = file.create_group("model_weights")
        for name, arrays in (weights or {}).items():
            group = groups.create_group(name)
            names = [f"{name}/{weight}:0" for weight, _ in arrays]
            group.attrs["weight_names"] = names
            for full, (_, array) in zip(names, arrays, strict=True):
                group[full] = array
    return path


def write_saved_model(folder: Path, config: Any, weights: Weights) -> Path:
    """A folder as of TensorFlow before 2.5: saved_model.pb describes the model."""
    root, index = tf.Module(), 0
    names = [each["config"]["name"] for each in config["config"]["layers"]]
    if config["class_name"] == "Sequential":
        names = names[1:]
    for index, name in enumerate(names):
        node = tf.Module()
        for weight, array in weights.get(name, ()):
            setattr(node, weight, tf.Variable(array))
        setattr(root, f"layer-{index}", node)
    tf.train.Checkpoint(root).write(str(folder / "variables" / "variables"))
    model = saved_model_pb2.SavedModel()
    nodes = model.meta_graphs.add().object_graph_def.nodes
    nodes.add().user_object.metadata = json.dumps(config)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    return folder
