"""Image GANs for TensorFlow and Keras 3: train, resume, export and serve."""

import importlib
from typing import Any

__version__ = "0.1.0"

# Resolved on first use: `import tfgan_models.networks` must not import TensorFlow.
_MODELS = {
    "CGAN": "cgan",
    "CycleGAN": "cyclegan",
    "DCGAN": "dcgan",
    "GAN": "gan",
    "GANModel": "adversarial",
    "Pix2Pix": "pix2pix",
    "ProGAN": "progan",
    "SRGAN": "srgan",
    "StackGAN": "stackgan",
    "StyleGAN": "stylegan",
}

__all__ = [
    "CGAN",
    "DCGAN",
    "GAN",
    "SRGAN",
    "CycleGAN",
    "GANModel",
    "Pix2Pix",
    "ProGAN",
    "StackGAN",
    "StyleGAN",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODELS:
        return getattr(importlib.import_module(f"{__name__}.{_MODELS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
