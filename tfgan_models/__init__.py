"""Image GANs for TensorFlow and Keras 3: train, resume, export and serve."""

import importlib
from typing import Any

from tfgan_models.systems import SYSTEMS

__version__ = "0.1.0"

# Resolved on first use: `import tfgan_models.networks` must not import TensorFlow.
_MODELS = {"GANModel": "adversarial"} | {
    system.model: name for name, system in SYSTEMS.items()
}
_LAZY = _MODELS | {"load": "loading"}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
