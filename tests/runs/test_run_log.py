"""The run log: appended, torn, gone back over, read."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfgan_models.errors import FailureError
from tfgan_models.runs import run_log

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.text(), FINITE, max_size=3)
ABOUT = st.dictionaries(
    st.text(), st.dictionaries(st.text(), st.integers() | st.text()), max_size=2
)


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(run_log.time, "time", lambda: seconds)


def steps(model_dir: Path) -> list[int]:
    return [entry.step for entry in run_log.read(model_dir)]


def test_a_line_is_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, 1763700000.5)
    values = {
        "fid": np.float32(1.5),
        "kid": math.nan,
        "l1": -math.inf,
        "count": np.int64(3),
    }
    run_log.append(tmp_path, 500, values, {"fid": {"images": 64, "of": Path("a")}})
    run_log.append(tmp_path, 520, {"losses/g": 2.0})
    first, second = map(
        json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()
    )
    assert first == {
        "step": 500,
        "time": 1763700000.5,
        "values": {"fid": 1.5, "count": 3.0},
        "about": {"fid": {"images": 64, "of": "a"}},
    }
    assert second == {"step": 520, "time": 1763700000.5, "values": {"losses/g": 2.0}}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), VALUES, ABOUT), unique_by=lambda line: line[0]
    )
)
def test_what_is_appended_is_read(
    lines: list[tuple[int, dict[str, float], dict[str, dict[str, Any]]]],
) -> None:
    with TemporaryDirectory() as folder:
        model_dir = Path(folder)
        for step, values, about in sorted(lines, key=lambda line: line[0]):
            run_log.append(model_dir, step, values, about)
        read = [(e.step, e.values, e.about) for e in run_log.read(model_dir)]
    assert read == sorted(lines, key=lambda line: line[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40))
def test_going_back_drops_what_is_written_again(written: list[int]) -> None:
    # Each line with its place; kept are those that no later line goes below, nor
    # comes back to from above.
    with TemporaryDirectory() as folder:
        for place, step in enumerate(written):
            run_log.append(Path(folder), step, {"place": place})
        kept = [
            (entry.step, entry.values["place"]) for entry in run_log.read(Path(folder))
        ]
    expected = [
        (step, place)
        for place, step in enumerate(written)
        if not any(
            written[later] <= step and written[later] < written[later - 1]
            for later in range(place + 1, len(written))
        )
    ]
    assert kept == expected


def test_a_resumed_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    for step, value in ((500, 1.0), (520, 2.0), (540, 3.0), (520, 4.0), (540, 5.0)):
        run_log.append(tmp_path, step, {"losses/g": value})
    run_log.append(tmp_path, 540, {"fid": 9.0})
    assert steps(tmp_path) == [500, 520, 540, 540]
    assert run_log.series(run_log.read(tmp_path)) == {
        "losses/g": ([500, 520, 540], [1.0, 4.0, 5.0]),
        "fid": ([540], [9.0]),
    }


def test_the_last_value_of_a_step_counts(tmp_path: Path) -> None:
    run_log.append(tmp_path, 520, {"losses/g": 2.0})
    run_log.append(tmp_path, 520, {"losses/g": 4.0})
    assert steps(tmp_path) == [520, 520]
    assert run_log.series(run_log.read(tmp_path)) == {"losses/g": ([520], [4.0])}


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_torn_line_costs_itself_alone(tmp_path: Path, cut: int) -> None:
    for step in (20, 40):
        run_log.append(tmp_path, step, {"losses/g": 1.0})
    path = tmp_path / run_log.FILE
    path.write_bytes(path.read_bytes()[:-cut])
    run_log.append(tmp_path, 60, {"losses/g": 2.0})
    # With one byte cut off, only the newline is gone.
    assert steps(tmp_path) == ([20, 40, 60] if cut == 1 else [20, 60])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"null",
        b'{"step": 1}',
        b'{"step": 1.5, "time": 1, "values": {}}',
        b'{"step": true, "time": 1, "values": {}}',
        b'{"step": 1, "time": "now", "values": {}}',
        b'{"step": 1, "time": 1, "values": [1]}',
        b'{"step": 1, "time": 1, "values": {"a": "b"}}',
        b'{"step": 1, "time": 1, "values": {"a": NaN}}',
        b'{"step": 1, "time": 1, "values": {"a": 1' + 400 * b"0" + b"}}",
        b'{"step": 1, "time": 1, "values": {}, "about": {"a": 1}}',
        b'{"step": 1, "time": 1, "values": {}, "about": 3}',
    ],
)
def test_foreign_lines_are_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / run_log.FILE).write_bytes(line + b"\n")
    run_log.append(tmp_path, 5, {"a": 1.0})
    assert steps(tmp_path) == [5]


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run_log.read(tmp_path) == []
    assert run_log.read(tmp_path / "file") == []
    assert run_log.read(tmp_path / "absent") == []
    assert run_log.load(tmp_path) is None


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / run_log.FILE).mkdir()
    with pytest.raises(FailureError, match=r"metrics.jsonl cannot be written: Is a"):
        run_log.append(tmp_path, 1, {})


def test_hours_leave_out_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 600 s count, 601 do not, nor does a clock that was set back.
    for step, seconds in enumerate((1000, 1600, 2201, 2261, 2000, 2060)):
        at(monkeypatch, seconds)
        run_log.append(tmp_path, step, {})
    run = run_log.load(tmp_path)
    assert run is not None
    assert run.hours == pytest.approx((600 + 60 + 60) / 3600, rel=1e-12)
    assert run.steps == 5


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        ({"batch_size": 4}, 4),
        ({"batch_size": 0}, None),
        ({"batch_size": True}, None),
        ({"batch_size": "4"}, None),
        ({}, None),
        ([], None),
    ],
)
def test_the_batch_size_is_the_recipes(
    tmp_path: Path, recipe: Mapping[str, Any], size: int | None
) -> None:
    run_log.append(tmp_path, 1, {})
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    run = run_log.load(tmp_path)
    assert run is not None
    assert run.batch_size == size


def test_no_readable_recipe_no_batch_size(tmp_path: Path) -> None:
    run_log.append(tmp_path, 1, {})
    runs = [run_log.load(tmp_path)]
    (tmp_path / "recipe.json").write_text("{")
    runs.append(run_log.load(tmp_path))
    assert [run and run.batch_size for run in runs] == [None, None]
