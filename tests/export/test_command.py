"""How commands end: statuses, single lines, tracebacks for bugs alone."""

import os
import pwd
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from export import command
from tests.export.conftest import REPOSITORY, environment

PROGRAM = """
from absl import flags
from export.command import quiet_tensorflow, run
from tfgan_models.errors import FailureError, UsageError

def main(argv):
    {body}

flags.DEFINE_integer("number", 1, "A number.")
flags.DEFINE_enum("kind", "long", ["long", "short"], "A kind.")
run(main)
"""


def run(body: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body), *arguments],
        cwd=REPOSITORY,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("body", "arguments", "status", "message"),
    [
        ("raise UsageError('so\\nso')", (), 2, "so so"),
        ("raise FailureError('broken')", (), 1, "broken"),
        # As TensorFlow passes it on from an input pipeline.
        (
            "raise RuntimeError('Map: FailureError: a.png is bad.\\nIn f')",
            (),
            1,
            ": a.png is bad.\n",
        ),
        ("pass", ("--number=x",), 2, "flag --number=x: invalid literal"),
        ("pass", ("--nimber=2",), 2, "Unknown flag --nimber. Did you mean --number?"),
        ("pass", ("--zzz",), 2, "Unknown flag --zzz. --help lists all flags."),
        ("pass", ("--kind=shrot",), 2, "<long|short>. Did you mean short?"),
        (
            "pass",
            ("extra",),
            2,
            "Only flags (--name=value) are allowed. Received: 'ext",
        ),
    ],
)
def test_errors_are_one_line(
    body: str, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = run(body, *arguments)
    assert finished.returncode == status
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr
    assert finished.stdout == ""


def test_a_warning_is_one_line_without_its_source() -> None:
    finished = run("import warnings; warnings.warn('so\\n  so', stacklevel=1)")
    assert (finished.returncode, finished.stderr) == (0, "Warning: so so\n")


def test_a_user_without_a_home_gets_one_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("HOME")
    command._find_home()
    home = tmp_path / f"home-{os.getuid()}"
    assert Path("~").expanduser() == home
    assert home.is_dir()
    told = capsys.readouterr().err
    assert f"caches go to {home}. Set HOME" in told
    command._find_home()
    assert capsys.readouterr().err == ""


def test_success_and_interruption() -> None:
    finished = run("print(flags.FLAGS.number)", "--number=3")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "3\n", "")
    finished = run("raise KeyboardInterrupt")
    assert (finished.returncode, finished.stderr) == (130, "")


def test_ends_with_its_last_line(tmp_path: Path) -> None:
    """Whatever threads are at; what it printed arrives, and no scratch is left."""
    body = (
        "import tempfile, threading, time; global scratch; "
        f"scratch = tempfile.TemporaryDirectory(dir={str(tmp_path)!r}); "
        "threading.Thread(target=time.sleep, args=[90]).start(); "
        "print('last'); sys.exit(143)"
    )
    begin = time.monotonic()
    finished = run("import sys; " + body)
    assert time.monotonic() - begin < 60
    assert (finished.returncode, finished.stdout, finished.stderr) == (
        143,
        "last\n",
        "",
    )
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written_is_no_success() -> None:
    with open("/dev/full", "w") as full:
        finished = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(body="print(1)")],
            cwd=REPOSITORY,
            env={**environment(), "PYTHONUNBUFFERED": ""},
            stdout=full,
            timeout=120,
        )
    assert finished.returncode == 120


def test_help_is_a_success() -> None:
    finished = run("raise FailureError('called')", "--help")
    assert finished.returncode == 0
    assert "--number: A number." in finished.stdout


def test_bugs_keep_their_traceback() -> None:
    finished = run("raise KeyError('bug')")
    assert finished.returncode == 1
    assert "Traceback" in finished.stderr
    assert "KeyError: 'bug'" in finished.stderr


def test_tensorflow_starts_quietly_unless_asked_not_to() -> None:
    body = "quiet_tensorflow(); import tensorflow as tf; print(tf.constant(1).numpy())"
    finished = run(body)
    assert (finished.stdout, finished.stderr) == ("1\n", "")
    loud = run(body, TF_CPP_MIN_LOG_LEVEL="0")
    assert loud.stdout == "1\n"
    assert loud.stderr != ""


def test_a_failing_import_is_told(tmp_path: os.PathLike[str]) -> None:
    body = (
        "import os, sys; sys.path.insert(0, os.environ['BROKEN']); quiet_tensorflow()"
    )
    package = tmp_path / "tensorflow.py"
    package.write_text(
        "import os; os.write(2, b'native words'); raise ImportError('no')"
    )
    finished = run(body, BROKEN=str(tmp_path))
    assert finished.returncode == 1
    assert "native words" in finished.stderr
    assert "ImportError: no" in finished.stderr


def test_a_command_may_take_arguments() -> None:
    program = PROGRAM.replace("run(main)", "run(main, arguments=True)").format(
        body="print(argv[1:], flags.FLAGS.number)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, "runs/a", "--number=2", "runs/b"],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == "['runs/a', 'runs/b'] 2\n"
