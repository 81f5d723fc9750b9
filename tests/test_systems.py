"""The table of systems: what is listed exists, and is named in no other place."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import pytest

import tfgan_models
from export.signatures import writing
from tests import models
from tfgan_models import networks, systems
from tfgan_models.adversarial import GANModel
from tfgan_models.runs import description
from trainers.evaluation import sources

ROOT = Path(__file__).parents[1]
each_system = pytest.mark.parametrize("name", systems.SYSTEMS)
OWN = ("tfgan_models/{}.py", "tfgan_models/networks/{}*.py", "trainers/{}.py")
"""Files in which a system may be named ..."""
ANY = (
    "tfgan_models/systems.py",
    "tfgan_models/networks/__init__.py",
    "tfgan_models/interop/**/*.py",  # files of other projects, by the projects' names
    "export/interop.py",
    "trainers/demo.py",
)
"""... and in which any may."""


@each_system
def test_each_row_is_true(name: str) -> None:
    system = systems.SYSTEMS[name]
    model = getattr(tfgan_models, system.model)
    assert issubclass(model, GANModel)
    assert model.__module__ == f"tfgan_models.{name}"
    assert system.model in tfgan_models.__all__
    assert f"arXiv:{system.arxiv}" in Path(inspect.getfile(model)).read_text()
    assert importlib.import_module(f"trainers.{name}").TRAINER.name == name
    assert system.task in systems.TASKS
    for network in system.networks:
        assert issubclass(getattr(networks, network), keras.Model)
        assert systems.of_network(network) == (system, system.networks[network])


def test_every_paper_has_a_row_and_a_case() -> None:
    papers = {s.model for s in systems.SYSTEMS.values()}
    found = {
        node.name
        for path in (ROOT / "tfgan_models").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and _is_paper(node)
    }
    assert found == papers
    assert {case.model for case in models.CASES} == papers


@each_system
def test_no_other_file_names_it(name: str) -> None:
    """But in docstrings, which say where something is from."""
    own = {path for pattern in (*OWN, *ANY) for path in ROOT.glob(pattern.format(name))}
    words = [rf"(tfgan_models|trainers)\.{name}"]
    if name != "gan":  # which is a word, too
        words += [name, systems.SYSTEMS[name].model]
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    told = {
        f"{path.relative_to(ROOT)}: {found}"
        for package in ("tfgan_models", "trainers", "export")
        for path in (ROOT / package).rglob("*.py")
        if path not in own
        for found in _said(ast.parse(path.read_text()))
        if pattern.search(found)
    }
    assert told == set()


def test_what_is_said_is_found() -> None:
    module = '"""A."""\nfrom B.c import D\nclass E(F):\n  """G."""\n  h = I.j("K")\n'
    assert {"B.c", "D", "E", "F", "I", "j", "K"} <= set(_said(ast.parse(module)))
    assert not {"A.", "G."} & set(_said(ast.parse(module)))


def _is_paper(node: ast.ClassDef) -> bool:
    """Whether a class is registered and of a model to train."""
    registered = any("register" in ast.unparse(d) for d in node.decorator_list)
    bases = {ast.unparse(base) for base in node.bases}
    return registered and bool(bases & {"GANModel", "GrowingGAN", "LatentGAN"})


def _said(module: ast.Module) -> Iterator[str]:
    """Names and strings in code: identifiers, imports and text that is no docstring."""
    texts = {
        node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        match node:
            case ast.Constant(value=str(text)) if node not in texts:
                yield text
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.ImportFrom(module=str(name)):
                yield name


@pytest.mark.parametrize("task", systems.TASKS)
def test_a_task_has_all_of_its_protocol(task: str) -> None:
    """See tfgan_models/tasks/__init__.py."""
    module = importlib.import_module(f"tfgan_models.tasks.{task}")
    assert callable(module.opened)
    assert task in writing.MODULES and task in sources.EVALUATED
    assert f'"{task}"' in inspect.getsource(description.of_network)
