"""Optional packages, which only some commands need: the extras in setup.cfg."""

import importlib.util
import shlex
from pathlib import Path

from tfgan_models.errors import FailureError

_ROOT = Path(__file__).parents[1]


def install_command(extra: str) -> str:
    """Returns the command that installs an extra in the way this package is installed.

    Args:
        extra: Its name in setup.cfg, such as "export".
    """
    if not (_ROOT / "setup.cfg").is_file():
        return f"pip install 'tfgan-models[{extra}]'"
    checkout = "." if Path.cwd() == _ROOT else str(_ROOT)
    return f"pip install -e {shlex.quote(f'{checkout}[{extra}]')}"


def missing(what: str, package: str | None, extra: str) -> str:
    """Returns the message for a package that is not installed.

    Args:
        what: What needs it, the start of a sentence.
        package: Its name.
        extra: The extra that has it.
    """
    return f"{what} needs the package {package}: {install_command(extra)}"


def require(what: str, extra: str, *modules: str) -> None:
    """Raises an error unless modules are installed, without importing them.

    Args:
        what: What needs them, the start of a sentence.
        extra: The extra that has them.
        *modules: Their names.

    Raises:
        FailureError: One is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise FailureError(missing(what, module, extra))
