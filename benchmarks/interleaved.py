"""Times the tasks of a benchmark in TensorFlow (ours) and PyTorch (the twin).

Two processes take turns run by run, so that both see the same machine; the one whose
turn it is not sleeps. Beside the ratio of the medians stands the distance to a limit:
the tasks' operations at the rate of the best matrix product of either framework.
"""

import argparse
import dataclasses
import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pipes import Pipe

FRAMEWORKS = ("tensorflow", "pytorch")


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What `measure` runs.

    Attributes:
        module: Of this package, with `tensorflow_tasks` and `pytorch_tasks`, which
            return the tasks by name. Ours tell their operations.
        title: Of the report; the options are filled in.
        aims: By task: ours over PyTorch's median, what this project set itself.
    """

    module: str
    title: str
    aims: Mapping[str, float]


class Worker:
    """A process of `benchmarks.workers` that computes when told to.

    Args:
        benchmark: Whose tasks.
        framework: One of `FRAMEWORKS`.
        sizes: What the tasks are made with.

    Attributes:
        operations: Floating-point operations by task, where they are counted.
    """

    def __init__(
        self, benchmark: Benchmark, framework: str, sizes: Mapping[str, Any]
    ) -> None:
        command = ("benchmarks.workers", benchmark.module, framework)
        self._pipe = Pipe(*command, json.dumps(sizes))
        self.operations: dict[str, int] = self._answer()["operations"]

    def run(self, task: str) -> float:
        """Runs a task once; the seconds it took."""
        self._pipe.write(task)
        return self._answer()["seconds"]

    def cpu_seconds(self) -> float:
        """Returns the processor time used so far (Linux)."""
        fields = (
            Path(f"/proc/{self._pipe.process.pid}/stat").read_text().rpartition(")")[2]
        )
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()

    def _answer(self) -> dict[str, Any]:
        return json.loads(self._pipe.read())


def interleave(
    workers: Mapping[str, Worker], task: str, runs: int, warmup: int
) -> dict[str, Any]:
    """Lets the workers take turns at a task.

    Args:
        workers: By framework.
        task: One of the workers' tasks.
        runs: Timed runs of each.
        warmup: Runs of each before these, not counted.

    Returns:
        The seconds of every run by framework, and under "idle" the largest share of a
        processor that a waiting worker used.
    """
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    waited = dict.fromkeys(workers, 0.0)
    used = dict.fromkeys(workers, 0.0)
    for i in range(warmup + runs):
        for name, worker in workers.items():
            idle = {k: w.cpu_seconds() for k, w in workers.items() if k != name}
            elapsed = worker.run(task)
            if i >= warmup:
                seconds[name].append(elapsed)
                for other, before in idle.items():
                    waited[other] += elapsed
                    used[other] += workers[other].cpu_seconds() - before
    return seconds | {"idle": max(used[k] / waited[k] for k in workers)}


def measure(benchmark: Benchmark, options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a whole benchmark.

    Args:
        benchmark: Which one.
        options: "runs" and "warmup", see `interleave`; the rest are the sizes that the
            tasks are made with.

    Returns:
        What `report` prints.
    """
    turns = {name: options[name] for name in ("runs", "warmup")}
    sizes = {name: value for name, value in options.items() if name not in turns}
    workers: dict[str, Worker] = {}
    try:
        for framework in FRAMEWORKS:
            workers[framework] = Worker(benchmark, framework, sizes)
        times = {
            task: interleave(workers, task, **turns)
            for task in ("product", *benchmark.aims)
        }
    finally:
        for worker in workers.values():
            worker.close()
    operations = workers["tensorflow"].operations
    product = times.pop("product")
    best = {name: operations["product"] / min(product[name]) for name in FRAMEWORKS}
    peak = max(best.values())
    return {
        "options": dict(options),
        "tasks": {
            task: {"aim": benchmark.aims[task]}
            | summarise(seconds, operations[task], peak)
            for task, seconds in times.items()
        },
        "product_flops_per_second": best,
    }


def summarise(
    times: Mapping[str, Any], operations: int, flops_per_second: float
) -> dict[str, Any]:
    """Sums up a task.

    Args:
        times: What `interleave` returned.
        operations: Floating-point operations of the task.
        flops_per_second: The rate they are compared with.
    """
    limit = operations / flops_per_second
    summary: dict[str, Any] = {"operations": operations, "limit_seconds": limit}
    for name in FRAMEWORKS:
        median = statistics.median(times[name])
        summary[name] = {
            "median": median,
            "min": min(times[name]),
            "max": max(times[name]),
            "runs": times[name],
            "share_of_limit": limit / median,
        }
    summary["ratio"] = summary["tensorflow"]["median"] / summary["pytorch"]["median"]
    summary["idle_processor_share"] = times["idle"]
    return summary


def report(benchmark: Benchmark, result: Mapping[str, Any]) -> str:
    """Formats what `measure` returned as a table."""
    options = result["options"]
    lines = [
        f"{benchmark.title.format(**options)}, batch {options['batch_size']}, "
        f"{options['runs']} runs each, interleaved",
        "",
        "task       framework   median s   min s    max s    of limit   ratio   aim",
    ]
    for task, summary in result["tasks"].items():
        for name in FRAMEWORKS:
            times = summary[name]
            line = (
                f"{task:<10} {name:<11} {times['median']:<10.4f} {times['min']:<8.4f} "
                f"{times['max']:<8.4f} {times['share_of_limit']:<10.1%}"
            )
            if name == "tensorflow":
                line += f" {summary['ratio']:<7.3f} <= {summary['aim']:.2f}"
            lines.append(line.rstrip())
    rates = result["product_flops_per_second"]
    lines.append("")
    for task, summary in result["tasks"].items():
        lines.append(
            f"{task}: {summary['operations'] / 1e9:.1f} GFLOP, "
            f"{summary['limit_seconds']:.4f} s at the matrix product's rate; a waiting "
            f"worker used {summary['idle_processor_share']:.1%} of one processor"
        )
    lines.append(
        "float32 matrix product, best run: "
        + ", ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items())
    )
    return "\n".join(lines)


def parser(module: str, description: str, image_size: int) -> argparse.ArgumentParser:
    """Returns a parser of the options that every benchmark has.

    Args:
        module: See `Benchmark`.
        description: The module's docstring, of which the first line is shown.
        image_size: The default.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{module}",
        description=description.partition("\n")[0],
    )
    made.add_argument("--image_size", type=int, default=image_size)
    made.add_argument("--runs", type=int, default=10)
    made.add_argument("--warmup", type=int, default=2)
    made.add_argument("--json", type=Path, help="also write the result here")
    return made


def main(benchmark: Benchmark, options: argparse.Namespace) -> None:
    """Measures, prints, writes."""
    numbers = {k: v for k, v in vars(options).items() if k != "json"}
    result = measure(benchmark, numbers)
    print(report(benchmark, result))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")
