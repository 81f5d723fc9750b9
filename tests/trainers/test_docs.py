"""What README, CONTRIBUTING and docs/ show: commands, links, tables."""

import importlib
import re
from pathlib import Path

import pytest

from export.signatures.generation import LatentModule, StyleModule
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.translation import TranslationModule
from tests import shown
from tfgan_models.metrics.spec import KINDS
from tfgan_models.systems import SYSTEMS
from trainers.training import app
from trainers.training.recipe import LOSSES

ROOT = shown.ROOT
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples/README.md",
    *sorted(ROOT.glob("docs/*.md")),
]
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)
SERVED = {
    "CycleGAN, Pix2Pix": TranslationModule,
    "SRGAN": SuperResolutionModule,
    "GAN, CGAN, DCGAN, ProGAN": LatentModule,
    "StyleGAN": StyleModule,
}
"""Rows of the table of signatures, and what has them."""


def test_commands_are_understood() -> None:
    """Their modules exist, their flags are defined and can have these values."""
    commands = [c for page in PAGES for c in shown.commands(page.read_text())]
    assert len(commands) > 60
    for name in SYSTEMS:
        trainer = importlib.import_module(f"trainers.{name}").TRAINER
        for export_dir in (None, "my models"):
            told = app.closing(trainer, 7, Path("my runs/a"), export_dir)
            lines = [line.strip() for line in told.splitlines()[1:]]
            assert len(lines) > 1
            commands += lines
    assert shown.faults(commands) == {}


def test_commands_that_are_not_understood_are_found() -> None:
    wrong = {
        "python -m trainers.nosuch": "ModuleNotFoundError",
        "python -m tfgan_models.gan": "AttributeError",
        "python -m trainers.gan --nosuch=1": "UnrecognizedFlagError",
        "python -m trainers.gan --loss=nosuch": "IllegalFlagValueError",
        "python -m trainers.gan --image_size=0": "UsageError",
        "python -m trainers.gan --image_size=8 nosuch": "UsageError",
        "python -m trainers.generate text --model=runs/mine": "UsageError",
        "python -m trainers.generate images --network=srgan --model=a": "UsageError",
        "python -m trainers nosuch": "UsageError",
        "python -m tfgan_models.interop --from=nosuch": "IllegalFlagValueError",
        "python -m tfgan_models.interop --from=addons": "UsageError",
    }
    right = ["python -m trainers.gan --loss=hinge", "python -m trainers --help"]
    found = shown.faults([*wrong, *right])
    assert {c: fault.split(":")[0] for c, fault in found.items()} == wrong


def anchors(page: Path) -> set[str]:
    """Returns what a page's headings are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme() -> None:
    for page in PAGES[1:]:
        name = page.relative_to(ROOT).as_posix()
        assert re.search(rf"\]\({re.escape(name)}[)#]", README), name


def test_every_system_is_in_the_table_with_its_paper() -> None:
    rows = [
        f"| {s.model} ([arXiv:{s.arxiv}](https://arxiv.org/abs/{s.arxiv})) | {s.draws} "
        f"| `python -m trainers.{name}` |"
        for name, s in SYSTEMS.items()
    ]
    head = "| system | what you get | train it |\n|---|---|---|\n"
    assert head + "\n".join(rows) + "\n\n" in README


def signatures() -> dict[str, dict[str, set[str]]]:
    """Returns the README's table: of what -> signature -> names of its values."""
    found: dict[str, dict[str, set[str]]] = {}
    table = README[README.index("| of | signature | input | output |") :]
    system = ""
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            return found
        told, signature, *values = (cell.strip() for cell in line[1:-1].split("|"))
        system = told.removesuffix(", s times") or system
        names = set(re.findall(r"`(\w+)`", " ".join(values)))
        found.setdefault(system, {})[signature.strip("`")] = names
    return found


@pytest.mark.parametrize("system", SERVED)
def test_signatures_are_those_of_the_exports(system: str) -> None:
    doc = SERVED[system].doc
    rows = signatures()[system]
    assert list(rows) == list(doc.signatures)
    # Only generators with classes have labels, which the text below tells.
    assert set().union(*rows.values()) == set(doc.values) - {"label"}


def test_losses_are_all_named() -> None:
    (named,) = re.findall(r"`--loss` is ([\w, ]+), for these", README)
    assert re.split(", | or ", named) == list(LOSSES)


def test_figures_are_all_described() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", page, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(KINDS)
