"""Modules that run as processes of their own and are asked line by line."""

import subprocess
import sys
from pathlib import Path
from typing import IO, cast

ROOT = Path(__file__).parents[1]


class Pipe:
    """A module in a process of its own; it answers each line with one.

    Args:
        *command: The module and its arguments.
    """

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        # Optional for Popen alone: both are pipes here.
        self._to = cast(IO[str], self.process.stdin)
        self._from = cast(IO[str], self.process.stdout)

    def write(self, line: str) -> None:
        """Sends a line."""
        self._to.write(f"{line}\n")
        self._to.flush()

    def read(self) -> str:
        """Returns the next line of the answer.

        Raises:
            RuntimeError: The process has ended.
        """
        line = self._from.readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {self.process.wait()}")
        return line

    def close(self) -> None:
        """Ends the process."""
        self._to.close()
        self.process.wait()
        self._from.close()
