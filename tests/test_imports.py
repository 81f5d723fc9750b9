"""Imports point one way, within functions too."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tfgan_models.systems import SYSTEMS

ROOT = Path(__file__).parents[1]
PACKAGES = ("tfgan_models", "export", "trainers", "benchmarks")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): (
        path.read_text()
    )
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
}
LAYERS = ("tfgan_models.layers",)
NETWORKS = (*LAYERS, "tfgan_models.networks")
MAY_IMPORT = {
    "tfgan_models": ("tfgan_models",),
    "tfgan_models.layers": LAYERS,
    "tfgan_models.networks": NETWORKS,
    "tfgan_models.augmentation": ("tfgan_models.augmentation",),
    "tfgan_models.losses": (),
    "tfgan_models.penalties": (),
    "tfgan_models.folders": (
        "tfgan_models.folders",
        "tfgan_models.caches",
        "tfgan_models.errors",
    ),
    "export": ("export", "tfgan_models"),
    "trainers": ("trainers", "export", "tfgan_models"),
    "benchmarks": PACKAGES,
}
"""What the modules below a name may import; the longest name decides."""


def imported(module: str) -> Iterator[str]:
    """Yields the modules of ours that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(MODULES[module])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                name = name if name in MODULES else node.module
                if name in MODULES:
                    yield name


IMPORTS = {module: set(imported(module)) for module in MODULES}


def below(name: str, other: str) -> bool:
    return f"{name}.".startswith(f"{other}.")


def system(module: str) -> str | None:
    """The system that a module is named after; those of interop are after projects."""
    if below(module, "tfgan_models.interop"):
        return None
    name = module.rpartition(".")[2]
    return next((s for s in SYSTEMS if name == s or name.startswith(f"{s}_")), None)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_runs_upwards(package: str) -> None:
    modules = [module for module in MODULES if below(module, package)]
    assert len(modules) > 5
    upwards = [
        f"{module} imports {other}"
        for module in modules
        for other in IMPORTS[module]
        if not any(
            below(other, allowed)
            for allowed in MAY_IMPORT[
                max((name for name in MAY_IMPORT if below(module, name)), key=len)
            ]
        )
    ]
    assert upwards == []


def test_no_imports_go_round() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_only_a_systems_own_modules_are_named_after_it() -> None:
    """A package's __init__ lists them all; what others use has a name of its own."""
    used = [
        f"{module} imports {other}"
        for module, others in IMPORTS.items()
        for other in others
        if system(other) not in (None, system(module)) and not below(other, module)
    ]
    assert used == []
