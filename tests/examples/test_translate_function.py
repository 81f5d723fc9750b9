"""The program that sends a picture with nothing but requests."""

import subprocess
import sys
from pathlib import Path

from tests.export import endpoints
from tests.export.apps import BLOCKED

PROGRAM = Path(__file__).parents[2] / "examples" / "translate_function.py"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    code = f"{BLOCKED}\nimport runpy, sys\nsys.argv = {['x', *arguments]!r}\n"
    code += f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_writes_the_answer_and_is_short(tmp_path: Path) -> None:
    assert len(PROGRAM.read_text().splitlines()) <= 30
    (tmp_path / "photo.jpg").write_bytes(b"a picture")
    with endpoints.rest() as (script, url):
        finished = run(tmp_path, "photo.jpg", url, "translated.png")
        assert finished.returncode == 0, finished.stderr
        assert (tmp_path / "translated.png").read_bytes() == b"a picture"
        script.refusals = [400]
        finished = run(tmp_path, "photo.jpg", url, "other.png")
        assert finished.returncode == 1
        assert "400" in finished.stderr
        assert "as told" in finished.stderr
    assert not (tmp_path / "other.png").exists()
    finished = run(tmp_path, "photo.jpg")
    assert finished.returncode == 1
    assert finished.stderr.strip().endswith("IMAGE MODEL_URL OUTPUT.")
