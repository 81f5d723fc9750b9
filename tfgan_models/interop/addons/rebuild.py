"""A Keras 2 model rebuilt from Keras 3's layers and ours, with its weights."""

import collections
import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import activations, operations, references
from tfgan_models.interop.addons.addon_layers import plain_kernel
from tfgan_models.interop.addons.check import FUNCTION_LAYERS, NODE_LAYER
from tfgan_models.interop.addons.description import SPECTRAL, WEIGHT, Layer, Model
from tfgan_models.interop.addons.references import Reference
from tfgan_models.interop.addons.weights import KINDS
from tfgan_models.layers.tensors import Shape, Tensor

# Keras writes for terminals.
_BOLD = re.compile(r"\x1b\[\d*m")

_MOST_AXES = 8
_MOST_NUMBERS = 2**26
"""Of one sample: 8192 x 8192. Exporting makes one."""

_MOST_CALLS = 20_000
"""Calls of layers in all: nested models called twice each would be without end."""


class Rebuilder:
    """Builds one functional model, with nested ones inlined.

    Attributes:
        became: (class in the file, class here) -> how many.
    """

    def __init__(self) -> None:
        self.became: collections.Counter[tuple[str, str]] = collections.Counter()
        self._made: dict[Layer, Callable[[Tensor], Tensor]] = {}
        self._names: set[str] = set()
        self._renamed: set[keras.Operation] = set()
        self._calls = 0

    def network(self, model: Model, name: str) -> keras.Model:
        """The model, with the file's weights.

        Args:
            model: With its layers' arrays.
            name: Of the result.

        Returns:
            It, computing in float32; inputs and outputs have the names of the layers.

        Raises:
            UsageError: The file contradicts itself.
        """
        inputs = [_input(layer) for layer in _inputs(model)]
        self._names.update(tensor.name for tensor in inputs)
        outputs = [
            self._named(tensor, name)
            for tensor, name in zip(
                self._run(model, inputs), _output_names(model), strict=True
            )
        ]
        single = len(outputs) == 1
        first = inputs[0] if len(inputs) == 1 else inputs
        return keras.Model(first, outputs[0] if single else outputs, name=_plain(name))

    def _named(self, tensor: Tensor, name: str) -> Tensor:
        """An output named after its layer, as in Keras 2."""
        operation = tensor._keras_history.operation
        if operation.name == _plain(name):
            return tensor
        return keras.layers.Activation(
            "linear", dtype="float32", name=self._unique(name)
        )(tensor)

    def _run(self, model: Model, inputs: list[Tensor]) -> list[Tensor]:
        if model.sequential:
            for layer in model.weighted():
                inputs = self._call(layer, inputs, {})
            return inputs
        known = {layer.name for layer in model.layers}
        given = references.flat(model.inputs)
        if len(given) != len(inputs):
            raise UsageError(
                f"A nested model of {len(given)} inputs is called with {len(inputs)}."
            )
        values = {
            (name, 0): [tensor]
            for (name, *_), tensor in zip(given, inputs, strict=True)
        }

        def tensor(reference: Reference) -> Tensor:
            try:
                return values[reference[0], reference[1]][reference[2]]
            except (LookupError, TypeError):
                raise UsageError(
                    f"The file refers to output {reference}, which no layer has."
                ) from None

        for call in references.in_order(model):
            first = references.resolve(call.first, known, tensor)
            others = references.resolve(call.others, known, tensor)
            values[call.key] = self._call(call.layer, first, others)
        return [tensor(each) for each in references.flat(model.outputs)]

    def _call(self, layer: Layer, first: Any, others: dict[str, Any]) -> list[Tensor]:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise UsageError(f"The model calls layers more than {_MOST_CALLS} times.")
        if layer.model is not None:
            return self._run(layer.model, first)
        try:
            result = self._result(layer, first, others)
            self._rename(result)
            return [result]
        except UsageError:
            raise
        except Exception as error:
            # Keras and TensorFlow raise all kinds for arguments that do not fit.
            reason = " ".join(_BOLD.sub("", str(error)).split())[:200]
            raise UsageError(
                f"Layer {layer.name!r} ({layer.kind}) cannot be rebuilt: {reason}"
            ) from None

    def _rename(self, tensor: Tensor) -> None:
        """Gives new operations names that no layer of the file has."""
        waiting = [tensor]
        while waiting:
            operation = waiting.pop()._keras_history.operation
            if isinstance(operation, keras.layers.Layer) or operation in self._renamed:
                continue
            self._renamed.add(operation)
            operation.name = self._unique(operation.name)
            waiting += operation._inbound_nodes[-1].input_tensors

    def _result(self, layer: Layer, first: Any, others: dict[str, Any]) -> Tensor:
        if layer.kind in FUNCTION_LAYERS:
            function = operations.function_name(layer.arguments)
            return operations.call(function, first, others)
        single = isinstance(first, list) and len(first) == 1
        if layer.kind == NODE_LAYER:
            return operations.call_node(layer.arguments, first)
        used = {key for key, value in others.items() if value not in (None, False)}
        if used:
            raise TypeError(f"it is called with {', '.join(sorted(used))}")
        x = first[0] if single else first
        if layer not in self._made:
            self._made[layer] = self._make(layer, x)
        return self._made[layer](x)

    def _make(
        self, outer: Layer, x: Tensor | list[Tensor]
    ) -> Callable[[Tensor], Tensor]:
        """The built layer, or function, that does what `outer` does."""
        layer = outer.inner
        kind = KINDS[layer.kind]
        arrays = _arrays(outer, [*kind.weights(layer.arguments), *kind.statistics])
        arguments = {
            kind.renamed.get(name, name): value
            for name, value in layer.arguments.items()
            if name in kind.arguments or name in kind.renamed
        }
        after = None
        if "activation" in kind.arguments:
            activation = activations.name_of(arguments.get("activation"))
            after = activations.OWN.get(activation)
            arguments["activation"] = activations.KERAS.get(activation, "linear")
        # The name itself is left for what is applied afterwards.
        name = outer.name if after is None else f"{outer.name}_linear"
        common = {"name": self._unique(name), "dtype": "float32"}
        if kind.make is not None:
            made = kind.make(_shape(x), **arguments, **common)
        else:
            made = getattr(keras.layers, layer.kind)(**arguments, **common)
        if isinstance(made, keras.layers.Layer):
            _build(made, x, outer, arrays)
            made.trainable = outer.trainable
        else:
            self._names.discard(common["name"])
        self._count(outer, made)
        return made if after is None else lambda x: after(made(x))

    def _count(self, layer: Layer, made: Callable[[Tensor], Tensor]) -> None:
        if layer.kind.startswith("Addons>"):
            ours = isinstance(made, keras.layers.Layer)
            self.became[layer.kind, type(made).__name__ if ours else "operations"] += 1

    def _unique(self, name: str) -> str:
        name = base = _plain(name)
        number = 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name


def _plain(name: str) -> str:
    """A name that is valid in TensorFlow graphs and Keras files."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:200] or "unnamed"


def _inputs(model: Model) -> list[Layer]:
    layers = {layer.name: layer for layer in model.layers}
    if not model.sequential:
        names = [name for name, *_ in references.flat(model.inputs)]
        if all(name in layers for name in names):
            return [layers[name] for name in names]
        raise UsageError(f"The file's inputs {names} are not among its layers.")
    first = model.layers[0]
    if first.model is not None:
        return _inputs(first.model)
    if first.kind == "InputLayer":
        return [first]
    return [Layer(f"{first.name}_input", "InputLayer", first.arguments, True, [])]


def _output_names(model: Model) -> list[str]:
    if not model.sequential:
        return [name for name, *_ in references.flat(model.outputs)]
    last = model.layers[-1]
    if last.model is None:
        return [last.name]
    names = _output_names(last.model)
    return [last.name] if len(names) == 1 else names


def _input(layer: Layer) -> keras.KerasTensor:
    shape = layer.arguments.get("batch_input_shape")
    if not isinstance(shape, list) or not all(
        size is None or isinstance(size, int) for size in shape
    ):
        raise UsageError(
            f"The shape of input {layer.name!r} is not in the file: the model was "
            "never called. Call it once where it was made, and save it again."
        )
    known = [size for size in shape[1:] if size is not None]
    if (
        len(shape) > _MOST_AXES
        or any(size < 1 for size in known)
        or math.prod(known) > _MOST_NUMBERS
    ):
        raise UsageError(
            f"Input {layer.name!r} has the shape {str(shape)[:80]}. Allowed: up to "
            f"{_MOST_AXES} dimensions of 1 or more, {_MOST_NUMBERS} elements in all."
        )
    dtype = layer.arguments.get("dtype")
    # Half precision was for training: everything is computed in float32 here.
    kept = isinstance(dtype, str) and re.fullmatch(r"u?int\d+|bool", dtype)
    return keras.Input(
        shape[1:], dtype=dtype if kept else "float32", name=_plain(layer.name)
    )


def _shape(x: Tensor | list[Tensor]) -> Shape:
    return tuple(x[0].shape if isinstance(x, list) else x.shape)


def _arrays(layer: Layer, names: list[str]) -> dict[str, np.ndarray]:
    """The weights that are used at inference, in float32."""
    arrays = {name: layer.arrays[name] for name in names}
    if layer.kind == WEIGHT:
        _check_shape(layer, "g", layer.arrays["g"], arrays["kernel"].shape[-1:])
        _check_shape(layer, "initialized", layer.arrays["initialized"], ())
        arrays["kernel"] = plain_kernel(layer)
    if layer.kind == SPECTRAL:
        last = arrays[names[0]].shape[-1]
        _check_shape(layer, "sn_u", layer.arrays["sn_u"], (1, last))
    return {name: array.astype("float32") for name, array in arrays.items()}


def _build(
    made: keras.layers.Layer,
    x: Tensor | list[Tensor],
    layer: Layer,
    arrays: dict[str, np.ndarray],
) -> None:
    """Builds a layer with the file's weights; other shapes are never allocated."""
    initializers = {
        f"{name.removesuffix('_kernel')}_initializer": functools.partial(
            _value, layer, name, array
        )
        for name, array in arrays.items()
    }
    usual = {attribute: getattr(made, attribute) for attribute in initializers}
    vars(made).update(initializers)
    made(x)
    vars(made).update(usual)
    if len(made.weights) != len(arrays):
        raise ValueError(f"it has {len(made.weights)} weights, not {len(arrays)}")


def _value(
    layer: Layer,
    name: str,
    array: np.ndarray,
    shape: Sequence[int],
    dtype: str | None = None,
) -> Tensor:
    del dtype
    _check_shape(layer, name, array, tuple(shape))
    return keras.ops.convert_to_tensor(array)


def _check_shape(
    layer: Layer, name: str, array: np.ndarray, shape: tuple[int, ...]
) -> None:
    if array.shape != shape:
        raise UsageError(
            f"Weight {name} of layer {layer.name!r} ({layer.kind}) has shape "
            f"{array.shape} in the file; its description needs {shape}."
        )
