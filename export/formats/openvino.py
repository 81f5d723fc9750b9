"""OpenVINO's intermediate representation: an .xml file, and weights in a .bin."""

from pathlib import Path

import openvino

from export.formats.graph import Graph
from export.formats.samples import Arrays, Runner

SUFFIX = ".xml"
FIXED = False
"""Whether sizes must be fixed for the conversion."""


def write(graph: Graph, path: Path) -> None:
    """Writes a signature; inputs and outputs keep their names.

    The weights stay float32: as float16, OpenVINO's default, outputs differ by a
    thousandth.

    Raises:
        Exception: What OpenVINO raises for what it cannot convert.
    """
    model = openvino.convert_model(graph.function().get_concrete_function())
    openvino.save_model(model, path, compress_to_fp16=False)


def load(path: Path) -> Runner:
    """Returns a function that runs the result."""
    # Processors with bfloat16 units would otherwise compute in that.
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", precision)

    def run(inputs: Arrays) -> Arrays:
        answers = compiled(dict(inputs))
        return {output.get_any_name(): answers[output] for output in compiled.outputs}

    return run
