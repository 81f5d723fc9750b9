"""The fields of the studio's forms."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from export.page import bodies
from export.page.bodies import Generation, Mixing

MAX_IMAGES = 16
MOST_MIXED = 5
LARGEST_PSI = 2
PSI = 0.7
CUTOFF = 4
PSI_TOLD = (
    "0: the average image. 0.7: the usual value. 1: the full variety that was learnt, "
    "with more failures. Below 0: opposites."
)

Controls = dict[str, gr.components.Component]


def generation_controls(generation: Generation) -> Controls:
    """Lays out a field for each input of a generator, and the number of images."""
    controls: Controls = {}
    if "caption" in generation.inputs:
        controls["caption"] = gr.Textbox(
            label="Caption", placeholder="a red heart", lines=1, interactive=True
        )
    controls["seed"] = _number("Seed", 0)
    controls["count"] = _slider("Images", 1, MAX_IMAGES, 4)
    if "truncation_psi" in generation.inputs:
        controls["truncation_psi"] = _slider(
            "Truncation psi", -LARGEST_PSI, LARGEST_PSI, PSI, PSI_TOLD, step=0.05
        )
    if "label" in generation.inputs:
        controls["label"] = _number("Class, from 0", 0)
    return controls


def mixing_controls(mixing: Mixing) -> Controls:
    """Lays out a field for each input of mixing, and for rows and columns."""
    controls: Controls = {
        "coarse": _number("First seed of the rows (coarse)", 0),
        "fine": _number("First seed of the columns (fine)", 100),
        "rows": _slider("Rows", 1, MOST_MIXED, 2),
        "columns": _slider("Columns", 1, MOST_MIXED, 3),
    }
    label, told = (
        "Crossover layer",
        "The fine seed's styles are used from this style layer on.",
    )
    if mixing.layers is None:
        controls["cutoff"] = _number(label, CUTOFF, told)
    else:
        cutoff = min(CUTOFF, mixing.layers)
        controls["cutoff"] = _slider(label, 0, mixing.layers, cutoff, told)
    if "label" in mixing.inputs:
        controls["label"] = _number("Class, from 0", 0)
    return controls


def given(form: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a form's values as a signature's inputs.

    Raises:
        UsageError: One of them must be a whole number, and is not.
    """
    wholes: dict[str, Callable[..., Any]] = {
        name: functools.partial(bodies.whole, name) for name in ("label", "cutoff")
    }
    return {name: wholes.get(name, lambda v: v)(value) for name, value in form.items()}


def _number(label: str, value: int, info: str | None = None) -> gr.Number:
    return gr.Number(value, label=label, info=info, precision=0, interactive=True)


def _slider(
    label: str,
    smallest: float,
    largest: float,
    value: float,
    info: str | None = None,
    step: float = 1,
) -> gr.Slider:
    return gr.Slider(
        smallest, largest, value, step=step, label=label, info=info, interactive=True
    )
