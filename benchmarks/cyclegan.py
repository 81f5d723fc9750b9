"""Times CycleGAN's training step and inference beside the same in PyTorch.

    python -m benchmarks.cyclegan --image_size=128 --blocks=9 --runs=10

Two processes, one TensorFlow and one PyTorch, take turns run by run, so that both see
the same machine; the one whose turn it is not sleeps. Ours is the step that `fit`
calls and the generator in a tf.function, as in an exported SavedModel. The twin is
plain PyTorch: eager, fused Adam, contiguous tensors.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("tensorflow", "pytorch")
# Ours over PyTorch's median; what this project set itself.
AIMS = {"step": 0.85, "inference": 0.90}


class Worker:
    """A process of `benchmarks.workers` that computes when told to."""

    def __init__(self, framework: str, options: argparse.Namespace) -> None:
        sizes = (options.image_size, options.blocks, options.batch_size)
        command = [sys.executable, "-m", "benchmarks.workers", framework]
        self.process = subprocess.Popen(
            [*command, *(str(size) for size in sizes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._answer()

    def run(self, task: str) -> float:
        """Runs a task once; the seconds it took."""
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        return self._answer()["seconds"]

    def cpu_seconds(self) -> float:
        """Returns the processor time used so far (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {self.process.wait()}")
        return json.loads(line)


def interleave(
    workers: dict[str, Worker], task: str, runs: int, warmup: int
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


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the whole benchmark; returns what `report` prints."""
    operations = _operations(options)
    workers: dict[str, Worker] = {}
    try:
        for framework in FRAMEWORKS:
            workers[framework] = Worker(framework, options)
        result: dict[str, Any] = {"options": vars(options), "tasks": {}}
        product = interleave(workers, "product", options.runs, options.warmup)
        for task in AIMS:
            times = interleave(workers, task, options.runs, options.warmup)
            result["tasks"][task] = _summary(task, times, operations[task])
    finally:
        for worker in workers.values():
            worker.close()
    best = {name: operations["product"] / min(product[name]) for name in FRAMEWORKS}
    result["product_flops_per_second"] = best
    peak = max(best.values())
    for summary in result["tasks"].values():
        summary["limit_seconds"] = summary["operations"] / peak
        for name in FRAMEWORKS:
            times = summary[name]
            times["share_of_limit"] = summary["limit_seconds"] / times["median"]
    return result


def _operations(options: argparse.Namespace) -> dict[str, int]:
    """Counts each task's operations, in a process that ends before the timing."""
    sizes = (options.image_size, options.blocks, options.batch_size)
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.flops", *(str(size) for size in sizes)],
        capture_output=True,
        check=True,
        text=True,
        cwd=ROOT,
    )
    return json.loads(output.stdout)


def _summary(task: str, times: dict[str, Any], operations: int) -> dict[str, Any]:
    summary: dict[str, Any] = {"operations": operations, "aim": AIMS[task]}
    for name in FRAMEWORKS:
        runs = times[name]
        summary[name] = {
            "median": statistics.median(runs),
            "min": min(runs),
            "max": max(runs),
            "runs": runs,
        }
    summary["ratio"] = summary["tensorflow"]["median"] / summary["pytorch"]["median"]
    summary["idle_processor_share"] = times["idle"]
    return summary


def report(result: dict[str, Any]) -> str:
    """Formats the result as a table."""
    options = result["options"]
    lines = [
        "CycleGAN, {image_size} px, {blocks} blocks, batch {batch_size}, "
        "{runs} runs each, interleaved".format(**options),
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


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cyclegan", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--image_size", type=int, default=128)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the result here")
    options = parser.parse_args(arguments)
    if options.image_size % 4 or min(options.blocks, options.runs) < 1:
        parser.error(
            "--image_size must be a multiple of 4, --blocks and --runs 1 or more. "
            f"Received: {options.image_size}, {options.blocks}, {options.runs}"
        )
    return options


def main() -> None:
    """Measures, prints, writes."""
    options = parse()
    path = options.json
    del options.json
    result = measure(options)
    print(report(result))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
