"""Turns, summaries and the report; that both frameworks are given the same work."""

import argparse
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cyclegan, interleaved, stylegan, workers

SIZES = {
    "cyclegan": {"image_size": 32, "blocks": 1, "batch_size": 1},
    "stylegan": {"image_size": 8, "batch_size": 4, "fmap_base": 64, "fmap_max": 8},
}
MODULES = {"cyclegan": cyclegan, "stylegan": stylegan}
BENCHMARK = interleaved.Benchmark("stylegan", "A GAN, {image_size} px", {"step": 0.85})


class FakeWorker:
    """Computes 2 s a run, and uses a tenth of a processor while others do."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log, self.clock = name, log, 0.0

    def run(self, task: str) -> float:
        self.log.append(f"{self.name} {task}")
        return 2.0

    def cpu_seconds(self) -> float:
        self.clock += 0.2
        return self.clock - 0.2


def test_workers_take_turns() -> None:
    log: list[str] = []
    both = {name: FakeWorker(name, log) for name in ("a", "b")}
    times = interleaved.interleave(both, "step", runs=2, warmup=1)
    assert log == ["a step", "b step"] * 3
    assert times == {"a": [2.0] * 2, "b": [2.0] * 2, "idle": pytest.approx(0.1)}


def test_report() -> None:
    times = {"tensorflow": [1.0, 3.0, 2.0], "pytorch": [4.0, 4.0, 9.0], "idle": 0.01}
    summary = interleaved.summarise(times, 3 * 10**10, 2e10)
    assert summary["ratio"] == 0.5
    assert summary["limit_seconds"] == 1.5
    assert summary["tensorflow"]["share_of_limit"] == 0.75
    result = {
        "options": {"image_size": 8, "batch_size": 4, "runs": 3},
        "tasks": {"step": {"aim": 0.85} | summary},
        "product_flops_per_second": {"tensorflow": 1e10, "pytorch": 2e10},
    }
    assert interleaved.report(BENCHMARK, result).splitlines() == [
        "A GAN, 8 px, batch 4, 3 runs each, interleaved",
        "",
        "task       framework   median s   min s    max s    of limit   ratio   aim",
        "step       tensorflow  2.0000     1.0000   3.0000   75.0%      "
        "0.500   <= 0.85",
        "step       pytorch     4.0000     4.0000   9.0000   37.5%",
        "",
        "step: 30.0 GFLOP, 1.5000 s at the matrix product's rate; a waiting worker "
        "used 1.0% of one processor",
        "float32 matrix product, best run: tensorflow 10 GFLOP/s, pytorch 20 GFLOP/s",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "stylegan"])
def test_a_benchmark_s_tasks(name: str) -> None:
    module, sizes = MODULES[name], SIZES[name]
    ours, twins = module.tensorflow_tasks(**sizes), module.pytorch_tasks(**sizes)
    assert ours.keys() == twins.keys() == module.BENCHMARK.aims.keys()
    size, batch = sizes["image_size"], sizes["batch_size"]
    for task in ours:
        assert ours[task].calls == twins[task].calls
        assert ours[task].operations > 0
        assert ours[task].seconds() > 0
        results = (ours[task].run(), twins[task].run())
        if task == "step":
            for losses in results:
                assert np.isfinite([float(value) for value in losses.values()]).all()
        else:
            assert results[0].shape == (batch, size, size, 3)
            assert results[1].shape == (batch, 3, size, size)


def test_both_steps_train_as_many_weights() -> None:
    sizes = SIZES["stylegan"]
    model = stylegan.tensorflow_model(**sizes)
    twin = stylegan.pytorch_model(**sizes)
    for ours, theirs in (
        (model.generator, twin.generator),
        (model.discriminator, twin.discriminator),
    ):
        count = sum(math.prod(weight.shape) for weight in ours.trainable_weights)
        assert count == sum(weight.numel() for weight in theirs.parameters())


def test_a_task_is_timed_for_one_call() -> None:
    calls: list[int] = []
    assert 0 < workers.Task(lambda: calls.append(0), calls=3).seconds() < 1
    assert len(calls) == 3


def test_options() -> None:
    assert vars(stylegan.parse([])) == {
        "image_size": 64,
        "batch_size": 4,
        "fmap_base": 8192,
        "fmap_max": 512,
        "runs": 10,
        "warmup": 2,
        "json": None,
    }
    assert cyclegan.parse(["--blocks=6"]).blocks == 6


@pytest.mark.parametrize(
    ("module", "argument", "message"),
    [
        (cyclegan, "--image_size=30", "--image_size must be a multiple of 4"),
        (stylegan, "--image_size=48", "--image_size must be a power of two"),
        (stylegan, "--fmap_base=31", "--fmap_base at least half of it. Received: 64"),
        (stylegan, "--batch_size=6", "--batch_size must be 1, 2, 3 or a multiple of 4"),
        (stylegan, "--runs=0", "--runs 1 or more"),
    ],
)
def test_options_that_cannot_be(
    module: argparse.Namespace,
    argument: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        module.parse([argument])
    assert message in capsys.readouterr().err


def test_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    class Worker(FakeWorker):
        def __init__(self, benchmark: object, name: str, sizes: object) -> None:
            super().__init__(name, log)
            assert (benchmark, sizes) == (BENCHMARK, {"image_size": 8})
            self.operations = {"step": 10**10, "product": 2 * 10**10}

        def close(self) -> None:
            log.append(f"{self.name} closed")

    monkeypatch.setattr(interleaved, "Worker", Worker)
    options = {"image_size": 8, "runs": 3, "warmup": 0}
    result = interleaved.measure(BENCHMARK, options)
    assert result["options"] == options
    assert result["product_flops_per_second"] == dict.fromkeys(
        interleaved.FRAMEWORKS, 1e10
    )
    assert result["tasks"]["step"]["aim"] == 0.85
    assert result["tasks"]["step"]["limit_seconds"] == 1.0
    assert log[-2:] == ["tensorflow closed", "pytorch closed"]


def test_a_worker_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("generate\nproduct\n"))
    workers.main("stylegan", "pytorch", json.dumps(SIZES["stylegan"]))
    ready, *times = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready == {"ready": "pytorch", "operations": {}}
    assert [list(answer) for answer in times] == [["seconds"]] * 2
    assert min(answer["seconds"] for answer in times) > 0


def test_tensorflow_s_product_gives_the_rate() -> None:
    assert workers.tensorflow_product().operations == 2 * 2048**3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "stylegan"])
def test_a_short_benchmark(name: str, tmp_path: Path) -> None:
    options = SIZES[name] | {"runs": 2, "warmup": 0}
    path = tmp_path / "made" / "result.json"
    arguments = [f"--{key}={value}" for key, value in options.items()]
    result = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments, f"--json={path}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    written = json.loads(path.read_text())
    assert written["options"] == options
    benchmark = MODULES[name].BENCHMARK
    assert list(written["tasks"]) == list(benchmark.aims)
    for summary in written["tasks"].values():
        for framework in interleaved.FRAMEWORKS:
            times = summary[framework]
            assert len(times["runs"]) == 2
            share = summary["limit_seconds"] / times["median"]
            assert times["share_of_limit"] == pytest.approx(share)
    assert result.stdout == interleaved.report(benchmark, written) + "\n"
