"""What the signatures of generators refuse: an error, and never the process's end."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.export.conftest import REPOSITORY
from tests.export.generators import LATENT, Served, latents, style


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Served:
    network = style(label_size=3, resolution=16, channels=1)
    return Served(network, tmp_path_factory.mktemp("labelled") / "1")


@pytest.mark.parametrize(
    ("signature", "inputs", "text"),
    [
        (
            "generate",
            {"seed": [1, 1], "truncation_psi": [0.7, 2.5]},
            "truncation_psi must be from -2 to 2. Received:] [0.7 2.5]",
        ),
        (
            "generate",
            {"seed": [1], "truncation_psi": [float("nan")]},
            "truncation_psi must be from -2 to 2. Received:] [nan]",
        ),
        (
            "generate",
            {"seed": [1], "truncation_psi": [1], "label": [3]},
            "label must be from 0 to 2. Received:] [3]",
        ),
        (
            "serving_default",
            {"latent": latents(1), "label": [-1]},
            "label must be from 0 to 2. Received:] [-1]",
        ),
        ("mapping", {"latent": latents(1), "label": [2**40]}, "label must be from 0"),
        (
            "mix",
            {"seed_coarse": [1], "seed_fine": [1], "cutoff": [7]},
            "cutoff must be from 0 to 6. Received:] [7]",
        ),
        ("mix", {"seed_coarse": [1], "seed_fine": [1], "cutoff": [-1]}, "from 0 to 6"),
        (
            "generate",
            {"seed": [1, 2], "truncation_psi": [1.0]},
            "the same number for each input. Received for seed, truncation_psi, "
            "label:] [2 1 ",
        ),
        (
            "serving_default",
            {"latent": np.zeros((0, LATENT)), "label": []},
            "Give 1 or more samples, the same number for each input. Received for "
            "latent",
        ),
    ],
)
def test_values_out_of_range(
    labelled: Served, signature: str, inputs: dict[str, Any], text: str
) -> None:
    if "label" not in inputs:
        inputs = inputs | {"label": [0] * len(next(iter(inputs.values())))}
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        labelled(signature, **inputs)
    assert text in str(caught.value)


SHAPES = """
import sys
from pathlib import Path
import numpy as np
from export.serving.models import Model
from export.serving.status import ServingError

model = Model(Path(sys.argv[1]))
for name in ("serving_default", "mapping", "synthesis", "generate", "mix"):
    signature = model.signature(name)
    for shape in ((), (2,), (2, 3), (1, 2, 3), (1, 2, 3, 4, 5), (0,)):
        inputs = {n: np.zeros(shape, t) for n, t in signature.inputs.items()}
        try:
            signature.run(inputs)
        except ServingError as error:
            assert error.code.name == "INVALID_ARGUMENT", error
        else:
            print(name, shape)
"""


def test_wrong_shapes_are_refused_and_end_nothing(labelled: Served) -> None:
    # In a process of its own: TensorFlow has ended it for less.
    finished = subprocess.run(
        [sys.executable, "-c", SHAPES, str(labelled.directory)],
        cwd=REPOSITORY,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == "generate (2,)\nmix (2,)\n"
