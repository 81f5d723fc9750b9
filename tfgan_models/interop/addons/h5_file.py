"""Keras 2 models in one .h5 file."""

import functools
import itertools
from pathlib import Path

import h5py
import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import h5_heap
from tfgan_models.interop.addons.check import refuse_unknown
from tfgan_models.interop.addons.description import Layer, Model, decode, parse
from tfgan_models.interop.addons.weights import check_names, ordered

_KINDS = "biuf"
_TOP = "top_level_model_weights"
_MOST_TEXT = 2**28
"""Bytes of a list of names, if each had the greatest possible length."""


def read(path: Path) -> tuple[Model, str]:
    """Reads a model which Keras 2 saved with `model.save("name.h5")`.

    Args:
        path: The file.

    Returns:
        The model with its layers' arrays, and the version of Keras that wrote it.

    Raises:
        UsageError: It is damaged, holds weights alone, or holds more than its size.
    """
    try:
        h5_heap.check(path)
        with h5py.File(path, "r") as file:
            return _Reader(path, file).read()
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        # What h5py raises for a damaged file depends on where the damage is.
        problem = str(error).splitlines()[0][:120] if str(error) else "unknown reason"
        raise UsageError(f"{path} is damaged or not a .h5 file: {problem}.") from None


class _Reader:
    """Reads no more bytes in all than the file has."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file
        self.left = path.stat().st_size
        self.described = 0

    def read(self) -> tuple[Model, str]:
        text = self._text("model_config")
        if text is None or "model_weights" not in self.file:
            raise UsageError(
                f"{self.path} holds weights without their model. Save the whole model "
                'where it was made: model.save("model.h5").'
            )
        self.described = len(text)
        model = parse(decode(text))
        refuse_unknown(model, self.path)
        groups = self._follow(self.file, "model_weights", h5py.Group)
        layers = model.weighted()
        names = [layer.name for layer in layers]
        unknown = set(groups) - {name.split("/")[0] for name in names} - {_TOP}
        if unknown or len(set(names)) < len(names):
            raise UsageError(
                f"{self.path}: its weights and its description have different layers: "
                f"{', '.join(sorted(unknown)) or 'two have the same name'}."
            )
        for layer in layers:
            self._fill(layer, groups)
        return model, self._text("keras_version") or ""

    def _fill(self, layer: Layer, groups: h5py.Group) -> None:
        places = ordered(layer)
        if not places and layer.name not in groups:
            return
        group = self._follow(groups, layer.name, h5py.Group)
        found = self._names(group)
        check_names(layer, [slot.label for _, slot in places], found)
        for (owner, slot), name in zip(places, found, strict=True):
            owner.arrays[slot.name] = self._array(group, name)

    def _text(self, name: str) -> str | None:
        if name not in self.file.attrs:
            return None
        attribute = self.file.attrs.get_id(name)
        if attribute.shape != () or attribute.dtype.kind not in "OS":
            raise UsageError(f"{self.path}: attribute {name} is not a string.")
        self._spend(attribute.dtype.itemsize)
        text = self.file.attrs[name]
        return text.decode() if isinstance(text, bytes) else str(text)

    def _names(self, group: h5py.Group) -> list[str]:
        """The weights' names, which Keras splits where they are more than 64 KB."""
        if "weight_names" in group.attrs:
            keys = ["weight_names"]
        else:
            several = (f"weight_names{i}" for i in itertools.count())
            keys = list(itertools.takewhile(lambda key: key in group.attrs, several))
        names: list[str] = []
        for key in keys:
            attribute = group.attrs.get_id(key)
            # An empty list is written as one of numbers.
            if attribute.shape == (0,):
                continue
            if len(attribute.shape) != 1 or attribute.dtype.kind not in "OS":
                raise UsageError(
                    f"{self.path}: attribute {key} is not a list of strings."
                )
            self._spend(attribute.shape[0] * attribute.dtype.itemsize)
            if attribute.shape[0] * self._overhead > _MOST_TEXT:
                raise UsageError(
                    f"{self.path}: attribute {key} may take more than {_MOST_TEXT} "
                    "bytes. Save the model as a SavedModel where it was made."
                )
            texts = group.attrs[key]
            names += [
                text.decode() if isinstance(text, bytes) else str(text)
                for text in texts
            ]
        return names

    @functools.cached_property
    def _overhead(self) -> int:
        """The file's size without arrays and description: a name is no longer."""
        sizes: list[int] = []

        def add(name: str, item: h5py.Group | h5py.Dataset) -> None:
            del name
            if isinstance(item, h5py.Dataset):
                sizes.append(item.id.get_storage_size())

        self.file.visititems(add)
        return max(self.path.stat().st_size - sum(sizes) - self.described, 0)

    def _follow(
        self, parent: h5py.Group, name: str, kind: type
    ) -> h5py.Group | h5py.Dataset:
        """The object at a path of hard links, so inside this file."""
        for part in name.split("/"):
            link = parent.get(part, getlink=True) if part else None
            if not isinstance(link, h5py.HardLink):
                raise UsageError(
                    f"{self.path}: {name!r} is missing or a link elsewhere."
                )
            parent = parent[part]
        if not isinstance(parent, kind):
            raise UsageError(f"{self.path}: {name!r} is not a {kind.__name__.lower()}.")
        return parent

    def _array(self, group: h5py.Group, name: str) -> np.ndarray:
        data = self._follow(group, name, h5py.Dataset)
        if data.dtype.kind not in _KINDS:
            raise UsageError(f"{self.path}: {name!r} is not an array of numbers.")
        if data.is_virtual or data.external:
            raise UsageError(f"{self.path}: {name!r} is stored in another file.")
        self._spend(data.nbytes)
        return data[()]

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise UsageError(
                f"{self.path} declares more than it holds. If it is compressed, "
                "unpack it first: h5repack -f NONE IN.h5 OUT.h5"
            )
