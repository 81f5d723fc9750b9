"""The demo from end to end, with a few training steps."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.mark.slow
def test_trains_exports_serves_and_shows(tmp_path: Path) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "trainers.demo",
            f"--output_dir={tmp_path}",
            "--steps=3",
        ],
        capture_output=True,
        text=True,
        timeout=300,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    for name in (
        "CycleGAN, served",
        "untranslated",
        "histogram matching",
        "real, of other places",
    ):
        (row,) = (line for line in lines if line.startswith(name))
        maps, photographs, back, share, lattice = row.removeprefix(name).split()
        assert 0.01 < float(maps) < 3
        assert 0.01 < float(photographs) < 3
        assert (back == "-") == (name != "CycleGAN, served")
        assert (share == "-") == (name == "real, of other places")
        assert float(lattice) >= 0
    assert (tmp_path / "models/cyclegan_a2b/1/saved_model.pb").is_file()
    with Image.open(tmp_path / "demo.png") as picture:
        # Four columns of 3 x 64 px, six windows: no column is flat.
        pixels = np.asarray(picture.convert("RGB"))
    for column in range(4):
        left = 6 + column * 198
        assert pixels[40:-30, left : left + 192].std() > 5
