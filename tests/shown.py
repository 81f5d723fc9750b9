"""Commands as documents show them: would they be understood?

`python -m tests.shown`, given a JSON list of commands, prints those that would not be
and why. A process of its own, since each module defines flags of the same names.
"""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from absl import flags

from tfgan_models.errors import UsageError

ROOT = Path(__file__).parents[1]
TAKE_PATHS = ("trainers.plot", "export.client", "export.check")
"""Modules that take arguments of which nothing is known."""
NO_FLAGS = ("export.check",)
"""Modules without flags."""
TAKE_FLAGS = ("export.batch",)
"""Modules that hand flags which are not theirs on."""
CODE = {"tfgan_models.interop": "export.interop"}
"""Where the flags of a module that only starts another are."""


def commands(text: str) -> list[str]:
    """Returns the commands python -m of a page: lines of code, and code in words."""
    words = re.findall(r"`(python -m [^`\n]+)`", text)
    return [*re.findall(r"^(python -m .*)$", text, re.MULTILINE), *words]


def faults(shown: Iterable[str]) -> dict[str, str]:
    """Returns the commands that would be refused, and why: {} where all is well.

    Modules must exist, flags be defined and have values that they can have.
    """
    finished = subprocess.run(
        [sys.executable, "-m", "tests.shown"],
        input=json.dumps(list(shown)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return json.loads(finished.stdout)


def check(command: str) -> None:
    """Parses a command as its module does, without starting it.

    Raises:
        UsageError, flags.Error or ImportError: It would be refused.
    """
    module, *arguments = shlex.split(command, comments=True)[2:]
    arguments = [a for a in arguments if a != "--help"]
    if module == "trainers":
        if arguments:
            raise UsageError(f"Received: {arguments}")
        return
    found = importlib.import_module(CODE.get(module, module))
    values = flags.FLAGS
    values.remove_flag_values(list(values))
    try:
        _define(found)
        values.set_gnu_getopt()
        left = values([module, *arguments], known_only=module in TAKE_FLAGS)
        _check_values(module, found, left)
    finally:
        values.unparse_flags()


def _define(module: object) -> None:
    trainer = getattr(module, "TRAINER", None)
    if trainer is None and module.__name__ in NO_FLAGS:
        return
    if trainer is None:
        module.define_flags()
        return
    from trainers.training import app

    app.define_flags(trainer)


def _check_values(name: str, module: object, left: Sequence[str]) -> None:
    if name == "trainers.generate":
        module._prepared(left)
        return
    if len(left) > 1 and name not in TAKE_PATHS + TAKE_FLAGS:
        raise UsageError(f"Only flags are taken. Received: {left[1:]}")
    if name == "tfgan_models.interop":
        module.check_flags()
    if hasattr(module, "TRAINER"):
        from trainers.training import recipe

        preset = module.TRAINER.presets[flags.FLAGS.preset or "cpu"]
        recipe.check(recipe.resolve(preset, recipe.given(type(preset))))


def _main() -> None:
    found = {}
    for command in json.load(sys.stdin):
        try:
            check(command)
        except (UsageError, flags.Error, ImportError, AttributeError) as error:
            found[command] = f"{type(error).__name__}: {error}"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _main()
