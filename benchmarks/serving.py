"""Loads the local endpoint from another process, next to a plain in-process loop.

    python -m benchmarks.serving --image_size=256 --filters=64 --clients=8 --runs=10

A CycleGAN generator of random weights is exported and served twice, with batching and
without. Clients, threads of a process of their own, send JPEG and PNG files to its
`encoded` signature, each the next when it has its answer; a third kind of process calls
the same SavedModel itself. All take turns run by run; those whose turn it is not wait.
"""

import argparse
import dataclasses
import itertools
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pipes import ROOT, Pipe
from benchmarks.serving_workers import MODEL, Order
from export.command import quiet_tensorflow

PHOTOGRAPHS = ROOT / "tfgan_models" / "data" / "images" / "earth"
FILES = 8
AIM = 0.9
PERCENTILES = (50, 95, 99)
LOOP = "in process"


@dataclasses.dataclass(frozen=True)
class Side:
    """One of those that take turns.

    Attributes:
        name: In the table.
        worker: "in_process" or "clients".
        order: What it is told in a run.
    """

    name: str
    worker: str
    order: Order


class Worker:
    """A process of `benchmarks.serving_workers`.

    Args:
        role: See there.
        folder: Of the image files.
        model: The SavedModel.
    """

    def __init__(self, role: str, folder: Path, model: Path) -> None:
        self._pipe = Pipe("benchmarks.serving_workers", role, str(folder), str(model))
        self._pipe.read()

    def do(self, order: Order) -> dict[str, Any]:
        """Has an order carried out; what `serving_workers.answer` says."""
        self._pipe.write(json.dumps(dataclasses.asdict(order)))
        return json.loads(self._pipe.read())

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()


def write_files(folder: Path, image_size: int) -> None:
    """Cuts photographs out of the bundled ones, every other a PNG.

    Args:
        folder: Where to; it is made.
        image_size: Side in pixels.
    """
    folder.mkdir()
    sources = sorted(PHOTOGRAPHS.glob("*.jpg"))
    for number in range(FILES):
        with Image.open(sources[number % len(sources)]) as source:
            left = 300 * (1 + number)
            part = source.convert("RGB").crop((left, 300, left + 512, 812))
        part = part.resize((image_size, image_size))
        suffix = "png" if number % 2 else "jpg"
        part.save(folder / f"{number}.{suffix}", quality=95)


def export_model(folder: Path, filters: int, residual_blocks: int) -> Path:
    """Exports a ResNetGenerator of random weights; returns its SavedModel."""
    quiet_tensorflow()
    from export.saved_model import export_networks
    from tfgan_models.networks import ResNetGenerator

    network = ResNetGenerator(filters=filters, residual_blocks=residual_blocks)
    name, _, key = MODEL.rpartition("_")
    written = export_networks({key: network}, folder, name)
    return next(path for path in written if path.is_dir())


@contextmanager
def endpoint(models: Path, batching: bool) -> Iterator[dict[str, str]]:
    """Runs `export.serve` on free ports.

    Args:
        models: Its --model_base.
        batching: Whether it puts requests together.

    Yields:
        "host:port" by protocol.
    """
    flags = ["--rest_port=0", "--grpc_port=0", "--request_log=false"]
    command = [sys.executable, "-m", "export.serve", f"--model_base={models}", *flags]
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(
            [*command, f"--enable_batching={str(batching).lower()}"],
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            cwd=ROOT,
        )
        try:
            lines = list(itertools.islice(process.stdout or (), 2))
            if len(lines) < 2:
                messages.seek(0)
                raise RuntimeError(f"the endpoint did not start: {messages.read()}")
            yield {
                "rest": lines[0].split(" at http://")[1].split("/")[0],
                "grpc": lines[1].split(" at ")[1].strip(),
            }
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def sides(
    addresses: Mapping[bool, Mapping[str, str]], clients: int, requests: int
) -> list[Side]:
    """Returns who takes turns.

    Args:
        addresses: By batching, then by protocol.
        clients: The most; powers of two below it are measured over REST, too.
        requests: Images in a run.
    """
    found = [
        Side(f"{LOOP}, {n} thread{'s' * (n > 1)}", "in_process", Order(n, requests))
        for n in (1, 2)
    ]
    levels = [2**i for i in range(clients.bit_length()) if 2**i < clients]
    for batching, by_protocol in addresses.items():
        plans = [("rest", n) for n in (*levels, clients)] + [("grpc", clients)]
        for protocol, n in plans:
            shown = {"rest": "REST", "grpc": "gRPC"}[protocol]
            name = f"{shown}, batching {'on' if batching else 'off'}"
            order = Order(n, requests, protocol, by_protocol[protocol])
            found.append(Side(name, "clients", order))
    return found


def check_answers(
    workers: Mapping[str, Worker], taking_turns: Sequence[Side], scratch: Path
) -> None:
    """Fails unless all sides give the same images as the in-process loop.

    Args:
        workers: By role.
        taking_turns: The loop first.
        scratch: Directory for the images.
    """
    expected: list[np.ndarray] = []
    for i, side in enumerate(taking_turns):
        folder = scratch / f"answers_{i}"
        order = dataclasses.replace(side.order, threads=1, answers=str(folder))
        workers[side.worker].do(order)
        pictures = [_levels(folder / f"{number}.png") for number in range(FILES)]
        expected = expected or pictures
        for ours, theirs in zip(pictures, expected, strict=True):
            if ours.shape != theirs.shape or np.abs(ours - theirs).max() > 1:
                raise RuntimeError(f"{side.name} gives other images than the loop")


def measure(options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the whole benchmark.

    Args:
        options: The command line's.

    Returns:
        What `report` prints: the options, and a summary of each side.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files, models = scratch / "files", scratch / "models"
        write_files(files, options["image_size"])
        model = export_model(models, options["filters"], options["residual_blocks"])
        addresses = {
            batching: stack.enter_context(endpoint(models, batching))
            for batching in (True, False)
        }
        workers = {
            role: Worker(role, files, model) for role in ("in_process", "clients")
        }
        for worker in workers.values():
            stack.callback(worker.close)
        taking_turns = sides(addresses, options["clients"], options["requests"])
        check_answers(workers, taking_turns, scratch)
        times = take_turns(workers, taking_turns, options["runs"])
    return {"options": dict(options), "sides": summarise(taking_turns, times)}


def take_turns(
    workers: Mapping[str, Worker], taking_turns: Sequence[Side], runs: int
) -> list[list[dict[str, Any]]]:
    """Lets the sides take turns, each run beginning with another one.

    Args:
        workers: By role.
        taking_turns: The sides.
        runs: Of each, after one that is not counted.

    Returns:
        For each side what it answered in each run.
    """
    times: list[list[dict[str, Any]]] = [[] for _ in taking_turns]
    for run in range(runs + 1):
        for i in range(len(taking_turns)):
            turn = (run + i) % len(taking_turns)
            side = taking_turns[turn]
            answer = workers[side.worker].do(side.order)
            if run:
                times[turn].append(answer)
    return times


def summarise(
    taking_turns: Sequence[Side], times: Sequence[Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Sums up the runs of each side.

    Args:
        taking_turns: The sides; the first is what the others are compared with.
        times: What `take_turns` returned.
    """
    summaries: list[dict[str, Any]] = []
    for side, runs in zip(taking_turns, times, strict=True):
        rates = [side.order.requests / run["seconds"] for run in runs]
        latencies = [seconds for run in runs for seconds in run["latencies"]]
        percentiles = np.percentile(latencies, PERCENTILES) * 1000
        summaries.append(
            {
                "name": side.name,
                "clients": side.order.threads,
                "images_per_second": statistics.median(rates),
                "runs": rates,
                "latencies": len(latencies),
                "milliseconds": dict(
                    zip(map(str, PERCENTILES), percentiles.tolist(), strict=True)
                ),
            }
        )
    for summary in summaries:
        loops = [s["images_per_second"] for s in summaries if LOOP in s["name"]]
        rate = summary["images_per_second"]
        summary["of_one_thread"] = rate / loops[0]
        summary["of_the_best_loop"] = rate / max(loops)
    return summaries


def report(result: Mapping[str, Any]) -> str:
    """Formats what `measure` returned as a table."""
    options, found = result["options"], result["sides"]
    lines = [
        "CycleGAN's generator, {filters} filters, {residual_blocks} blocks, "
        "{image_size} px JPEG and PNG files, {runs} runs of {requests} images, "
        "interleaved".format(**options),
        "",
        "| side | at once | images/s | min - max | p50 ms | p95 ms | p99 ms "
        "| of 1 thread | of the best loop |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for side in found:
        low, high = min(side["runs"]), max(side["runs"])
        waits = " | ".join(f"{ms:.0f}" for ms in side["milliseconds"].values())
        lines.append(
            f"| {side['name']} | {side['clients']} | {side['images_per_second']:.2f} "
            f"| {low:.2f} - {high:.2f} | {waits} | {side['of_one_thread']:.3f} "
            f"| {side['of_the_best_loop']:.3f} |"
        )
    one, two = (side["images_per_second"] for side in found[:2])
    faster = "faster" if two > one else "no faster"
    lines += [
        "",
        f"A loop of two threads is {faster} than one of one: {two / one:.3f}. "
        f"Aim: {AIM:.2f} of one thread at {options['clients']} clients. Percentiles "
        f"are of {found[0]['latencies']} requests; the clients use the same "
        "processors as what they measure.",
    ]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--residual_blocks", type=int, default=9)
    parser.add_argument("--clients", type=int, default=8, help="the most at once")
    parser.add_argument("--requests", type=int, default=8, help="images in a run")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write the result here")
    options = parser.parse_args(arguments)
    numbers = {k: v for k, v in vars(options).items() if k != "json"}
    small = min(v for k, v in numbers.items() if k != "residual_blocks")
    if options.image_size % 4 or small < 1 or options.residual_blocks < 0:
        parser.error(
            "--image_size must be a multiple of 4, --residual_blocks 0 or more, the "
            f"others 1 or more. Received: {numbers}"
        )
    if options.requests < options.clients:
        parser.error(
            "--requests must be at least --clients, so that all are busy. "
            f"Received: {options.requests}, {options.clients}"
        )
    return options


def main(options: argparse.Namespace) -> None:
    """Measures, prints, writes."""
    numbers = {k: v for k, v in vars(options).items() if k != "json"}
    result = measure(numbers)
    print(report(result))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


if __name__ == "__main__":
    main(parse())
