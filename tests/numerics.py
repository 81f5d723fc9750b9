"""`python -m tests.numerics`: equal numbers stay equal by other kernels and threads.

Runs the tests marked `numerics` with each set of oneDNN's kernels, with none of them,
and with one thread and two, three times each. That a setting takes effect is read off
oneDNN's own log and off the threads there are.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent
TURNS = 3
ONEDNN = {"TF_ENABLE_ONEDNN_OPTS": "1"}
SETTINGS = {
    "AVX2": ONEDNN | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "AVX512": ONEDNN | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    "AMX": ONEDNN | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"},
    "no oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
} | {
    f"threads: {n}": {
        "TF_NUM_INTRAOP_THREADS": str(n),
        "TF_NUM_INTEROP_THREADS": str(n),
    }
    for n in (1, 2)
}
# TensorFlow asks the CPU, not oneDNN, whether there are kernels for half precision.
WITHOUT_HALF = ("AVX2", "AVX512")
_PROBE = """
import pathlib, tensorflow as tf
x = tf.random.normal([8, 64, 64, 16])
tf.function(lambda: tf.nn.relu(tf.nn.conv2d(x, tf.ones([3, 3, 16, 16]), 1, "SAME")))()
names = [p.read_text().strip() for p in pathlib.Path("/proc/self/task").glob("*/comm")]
print("threads:", sum(name.startswith("tf_") for name in names))
"""


def probe(settings: dict[str, str]) -> str:
    """Returns which kernels a convolution runs by, and the threads it has."""
    finished = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env=os.environ | settings | {"ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = finished.stdout + finished.stderr
    (threads,) = re.findall(r"threads: (\d+)", told)
    kernels = re.findall(r",convolution,([^,]+),", told)
    return f"{kernels[0] if kernels else 'Eigen'}, {threads} threads of TensorFlow's"


def main() -> int:
    """Runs all; returns 1 where a test failed."""
    # The others need not be imported.
    files = [
        str(path)
        for path in sorted(TESTS.rglob("test_*.py"))
        if "mark.numerics" in path.read_text()
    ]
    failed = []
    for name, settings in SETTINGS.items():
        print(f"{name}: {probe(settings)}", flush=True)
        chosen = ["-k", "not mixed_precision"] if name in WITHOUT_HALF else []
        start = time.monotonic()
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "numerics", *chosen, *files],
            env=os.environ | settings | {"TESTS_TURNS": str(TURNS)},
            capture_output=True,
            text=True,
        )
        lines = finished.stdout.splitlines()
        problems = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        print(*problems, *lines[-1:], sep="\n", flush=True)
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
        if finished.returncode:
            failed.append(name)
    print(f"Failed with: {', '.join(failed)}" if failed else "All are equal.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
