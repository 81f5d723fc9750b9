"""The programs of docs/keras.md run."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

PAGE = (Path(__file__).parents[1] / "docs/keras.md").read_text()


def test_the_programs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 3
    for program in programs[:2]:
        exec(compile(program, "docs/keras.md", "exec"), names)
    model, drawings = names["model"], names["drawings"][8:].astype("float32")
    assert names["stop"].monitor in model.history.history
    # The best weights have come back.
    evaluated = model.evaluate(
        drawings, names["photos"][8:], return_dict=True, verbose=0
    )
    best = min(model.history.history["val_l1"])
    assert evaluated["l1"] == pytest.approx(best, rel=1e-4)
    served = tf.saved_model.load("models/painted/1")
    answers = (
        served.serve(drawings),
        keras.models.load_model("painted.keras").predict(drawings, verbose=0),
    )
    for answer in answers:
        np.testing.assert_allclose(answer, names["painted"], atol=1e-5)
    assert len(names["history"].history["cycle_a"]) == 1
