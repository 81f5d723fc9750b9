"""A process that reads hostile files while it is watched; prints JSON.

Usage: hostile_reader.py FOLDER, with attacks/, sizes/ and good/ in it.
"""

import codecs
import copyreg
import json
import os
import pickle
import random
import resource
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfgan_models.errors import UsageError
from tfgan_models.interop import dnnlib_file, torch_file

READERS = {
    ".pth": (torch_file.read, torch_file.read_nested),
    ".pkl": (dnnlib_file.read,),
}
HEADROOM = 256 * 2**20
"""Bytes of addresses that the process may take beyond those it starts with."""
TRACED = 2**17
CUTS, FLIPS = 200, 300
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Records what Python reports while a file is read, but that it is read."""

    def __init__(self) -> None:
        self.path: str | None = None
        self.events: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.path is None:
            return
        if event == "open":
            name, _, flags = arguments
            expected = str(name) == self.path and not flags & WRITING
        else:
            # The third argument is mmap.ACCESS_READ's number.
            expected = event == "mmap.__new__" and arguments[2] == 1
        if not expected:
            self.events.append(f"{event} {arguments!r:.100}")


def attempt(read: Callable[[Path], Any], path: Path, watch: Watch) -> dict[str, Any]:
    """Reads a file, watched."""
    start, kind, message = time.perf_counter(), "read", ""
    watch.path = str(path)
    try:
        read(path)
    except UsageError as error:
        kind, message = "UsageError", str(error)
    except BaseException as error:
        kind, message = type(error).__name__, str(error)
    watch.path = None
    events, watch.events = watch.events, []
    return {
        "file": path.name,
        "reader": read.__name__,
        "kind": kind,
        "message": message,
        "events": events,
        "seconds": time.perf_counter() - start,
    }


def read_all(folder: Path, watch: Watch) -> list[dict[str, Any]]:
    """Reads every file, and says how much memory that took at its peak."""
    results = []
    for path in sorted(folder.iterdir()):
        for read in READERS.get(path.suffix, ()):
            # Where hundreds of thousands of objects are made, tracing takes seconds:
            # those files are bounded by the whole process's peak.
            size = path.stat().st_size
            if size < TRACED:
                tracemalloc.start()
            result = attempt(read, path, watch)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            results.append(result | {"peak": peak, "size": size})
    return results


def read_damaged(folder: Path, watch: Watch) -> list[dict[str, Any]]:
    """Reads each file cut off at many lengths, and with single bits changed."""
    results, draw = [], random.Random(0)
    for good in sorted(folder.iterdir()):
        data, path = good.read_bytes(), folder.parent / f"damaged_{good.name}"
        lengths = sorted(draw.sample(range(len(data)), min(CUTS, len(data))))
        variants = [("cut", n, data[:n]) for n in [*lengths, len(data) - 1]]
        for _ in range(FLIPS):
            at = draw.randrange(8 * len(data))
            changed = bytearray(data)
            changed[at // 8] ^= 1 << at % 8
            variants.append(("flip", at, bytes(changed)))
        for what, where, variant in variants:
            path.write_bytes(variant)
            for read in READERS[path.suffix]:
                result = attempt(read, path, watch)
                results.append(result | {"damage": what, "where": where})
    return results


def memory(kind: str) -> int:
    """The process's addresses, or its memory now or at its peak, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{kind}:"))
    return 1024 * int(line.split()[1])


def unpickle_all(folder: Path) -> None:
    """What Python's own unpickler does with the same pickles."""
    for path in sorted(folder.glob("*.pickle")):
        try:
            pickle.loads(path.read_bytes())
        except Exception:
            continue


def main(folder: Path) -> dict[str, Any]:
    """Reads everything, and at last shows that the attacks are ones."""
    watch = Watch()
    # One that a program may have registered, which pickles then name by its number.
    copyreg.add_extension("posix", "system", 1)
    sys.addaudithook(watch)
    # The first read imports what is imported late, and so does a zip file's first name
    # that torch.save did not write: the encoding of old zip files.
    codecs.lookup("cp437")
    for path in (folder / "good").iterdir():
        for read in READERS[path.suffix]:
            read(path)
    limit = memory("VmSize") + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before = memory("VmRSS")
    report = {
        "attacks": read_all(folder / "attacks", watch),
        "sizes": read_all(folder / "sizes", watch),
        "damaged": read_damaged(folder / "good", watch),
    }
    report["resident"] = memory("VmHWM") - before
    report["ran"] = sorted(path.name for path in (folder / "canaries").iterdir())
    warnings.simplefilter("ignore")
    watch.path = ""
    unpickle_all(folder / "attacks")
    watch.path = None
    report["control_events"] = watch.events
    return report


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
