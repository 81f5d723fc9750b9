"""torch-fidelity, the PyTorch package that our metrics are compared with."""

import importlib
import sys
from types import ModuleType
from unittest import mock

_TORCHVISION = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.models",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


def import_torch_fidelity() -> ModuleType:
    """Imports torch_fidelity, where need be without torchvision.

    torch_fidelity imports torchvision for data sets, other networks and resizing of
    files; its features and metrics do not use it. A torchvision built for another
    PyTorch raises when it is imported: then stand-ins take its place for the time of
    torch_fidelity's import.

    Returns:
        The package; its submodules, such as `torch_fidelity.metric_fid`, are loaded.
    """
    if "torch_fidelity" in sys.modules:
        return sys.modules["torch_fidelity"]
    try:
        importlib.import_module("torchvision")
        return importlib.import_module("torch_fidelity")
    # "operator torchvision::nms does not exist" is a RuntimeError.
    except (ImportError, RuntimeError):
        pass
    before = {name: sys.modules.pop(name, None) for name in _TORCHVISION}
    sys.modules.update({name: mock.MagicMock(name=name) for name in _TORCHVISION})
    try:
        return importlib.import_module("torch_fidelity")
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
