"""Keeps Keras from importing what it can do without; Python runs this as it starts.

Where these are installed, Keras imports them in case it is given their objects: 3 of
the 7 seconds of processor time that it takes to be imported, and tests start many
processes. Whoever asks for them later gets them.
"""

import os
import sys
from typing import Any

_UNNEEDED = {"jax", "matplotlib", "pandas", "sklearn"}


class _Unneeded:
    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        if name in _UNNEEDED:
            keras = getattr(sys.modules.get("keras"), "__spec__", None)
            if getattr(keras, "_initializing", False):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# Keras's other backends look for some of them themselves.
if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    sys.meta_path.insert(0, _Unneeded)
