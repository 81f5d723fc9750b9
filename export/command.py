"""How the commands of this repository start and fail."""

import atexit
import contextlib
import functools
import importlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from tfgan_models.errors import FailureError, UsageError, did_you_mean

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up messages.

    A TF_CPP_MIN_LOG_LEVEL below 3 in the environment is respected: with 0, everything
    is shown. If TensorFlow is imported already, only its later logs are silenced.
    """
    # 3 may come from one of our commands that started this one.
    if os.environ.setdefault(LOG_LEVEL, "3") != "3":
        return
    logging.set_verbosity(logging.WARNING)
    if "tensorflow" not in sys.modules:
        # Logs before absl::InitializeLog() ignore the level.
        with _native_stderr_dropped():
            importlib.import_module("tensorflow")


@contextlib.contextmanager
def _native_stderr_dropped() -> Iterator[None]:
    """Redirects file descriptor 2 to nowhere, and shows the output on an exception."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(saved, written.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def run(
    main: Callable[[Sequence[str]], None],
    arguments: bool = False,
    unknown_flags: bool = False,
) -> NoReturn:
    """Parses the flags, calls `main(argv)` and exits.

    Flags must be defined before. Exit status: 0 when `main` returns; 2 with one line
    on stderr for a UsageError or a flag that cannot be parsed; 1 with one line for a
    FailureError; 130 after Ctrl-C. Any other exception is a bug: it keeps its
    traceback. The process ends here, whatever its threads are doing.

    Args:
        main: The command. It calls `quiet_tensorflow()` before it first imports
            TensorFlow, and after what can be checked without it.
        arguments: Whether it takes arguments that are not flags, in `argv[1:]`.
        unknown_flags: Whether undefined flags are accepted, as arguments.
    """
    arguments = arguments or unknown_flags
    if arguments:
        # Flags after an argument are flags too.
        flags.FLAGS.set_gnu_getopt()
    try:
        app.run(
            functools.partial(_guarded, main, arguments),
            flags_parser=functools.partial(_parse_flags, unknown_flags),
        )
    except SystemExit as ended:
        end(ended.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        end(1)


def end(status: int | str | None) -> NoReturn:
    """Ends the process at once, its output flushed and its scratch folders removed.

    Python would first tear down TensorFlow piece by piece, and wait for the threads of
    every input pipeline: minutes after a large training run.

    Args:
        status: As for `sys.exit`.
    """
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # As Python does: what was printed did not arrive.
            status = status or 120
    os._exit(status or 0)


def _guarded(
    main: Callable[[Sequence[str]], None], arguments: bool, argv: Sequence[str]
) -> int:
    try:
        if len(argv) > 1 and not arguments:
            raise UsageError(
                f"Only flags (--name=value) are allowed. Received: {argv[1]!r}"
            )
        _find_home()
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            main(argv)
    except UsageError as error:
        return _fail(error, 2)
    except FailureError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # TensorFlow passes on errors of an input pipeline as text.
        inside = re.search(r"\bFailureError: (.+)", str(error))
        if inside is None:
            raise
        return _fail(FailureError(inside[1]), 1)
    return 0


def _find_home() -> None:
    """Sets a folder for libraries' caches if the user has no home."""
    if os.path.expanduser("~") == "~":
        home = os.path.join(tempfile.gettempdir(), f"home-{os.getuid()}")
        os.makedirs(home, mode=0o700, exist_ok=True)
        os.environ["HOME"] = home
        print(
            f"No home folder is known for user {os.getuid()}: data sets and caches go "
            f"to {home}. Set HOME to keep them elsewhere.",
            file=sys.stderr,
        )


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    """Shows a warning as one line, without its source."""
    print(f"Warning: {' '.join(str(message).split())}", file=sys.stderr, flush=True)


def _parse_flags(unknown: bool, argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(argv, known_only=unknown)
    except flags.UnrecognizedFlagError as error:
        name = error.flagname
        wrong = UsageError(
            f"Unknown flag --{name}.{nearest_flag(name)} --help lists all flags."
        )
        sys.exit(_fail(wrong, 2))
    except flags.IllegalFlagValueError as error:
        sys.exit(_fail(UsageError(f"{error}.{_nearest_value(str(error))}"), 2))
    except flags.Error as error:
        sys.exit(_fail(error, 2))
    except SystemExit:
        # absl exits with 1 after it has shown the help that was asked for.
        sys.exit(0)


def given(*names: str) -> dict[str, Any]:
    """Returns the values of those of some flags that were given, by name."""
    values = {name: flags.FLAGS[name].value for name in names}
    return {name: value for name, value in values.items() if value is not None}


def nearest_flag(name: str) -> str:
    """Returns " Did you mean --A?" with the defined flags nearest to a name, or ""."""
    return did_you_mean(f"--{name}", (f"--{known}" for known in flags.FLAGS))


def _nearest_value(message: str) -> str:
    """A hint, if absl's message is about a value that an enum does not have."""
    wrong = re.search(r"flag --(\w+)=(.*): value should be one of", message)
    if wrong is None:
        return ""
    parser = flags.FLAGS[wrong[1]].parser
    known = parser.enum_values if isinstance(parser, flags.EnumParser) else ()
    return did_you_mean(wrong[2], known)


def _fail(error: Exception, status: int) -> int:
    message = str(error).replace("\n", " ")
    folder, name = os.path.split(sys.argv[0])
    # A package is started by its folder's name.
    name = os.path.basename(folder) if name == "__main__.py" else name
    print(f"{name}: {message}", file=sys.stderr)
    return status
