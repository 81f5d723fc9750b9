"""The contests on bundled data: what is said of them, and a short one."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import quality
from tfgan_models.data import catalog
from tfgan_models.metrics import spec
from trainers.evaluation.measurement import Result

(MAPS,) = quality.CONTESTS
# TFDS itself has that warning, where a data set is prepared already.
STRICT = ("-W", "error", "-W", "ignore:label() is deprecated:DeprecationWarning")


def results(**values: float) -> dict[str, Result]:
    return {
        name: Result(spec.parse("l1"), name, value, {"seed": 0})
        for name, value in values.items()
    }


def test_says_where_a_system_is_no_better_than_a_baseline() -> None:
    measured = {
        MAPS.contenders[0].title: results(l1=0.3, ssim=0.5),
        MAPS.contenders[1].title: results(l1=0.1, ssim=0.6),
        "untranslated": results(l1=0.7, ssim=0.5),
        "mean colour": results(l1=0.2, ssim=0.4),
        quality.REAL: results(l1=0.0, ssim=1.0),
    }
    first, second = quality._verdict(MAPS, measured).splitlines()
    assert first == (
        "- CycleGAN (unpaired): no better than a baseline in l1 (mean colour); "
        "ssim (untranslated)."
    )
    assert second == ("- Pix2Pix (paired): better than every baseline in every metric.")


def test_contests_are_of_known_data_and_figures() -> None:
    for contest in quality.CONTESTS:
        assert contest.dataset in catalog.UNPAIRED_BUNDLED
        assert spec.parse_list(contest.metrics)[0].text == "kid_lite0"
        folders = [contender.folder for contender in contest.contenders]
        assert len(set(folders)) == len(folders)
        for contender in contest.contenders:
            module = f"trainers/{contender.trainer}.py"
            assert (Path(quality.__file__).parents[1] / module).is_file()


def test_the_report_in_the_docs_is_of_these_contests() -> None:
    docs = Path(quality.__file__).parents[1] / "docs"
    text = (docs / "quality.md").read_text()
    for contest in quality.CONTESTS:
        assert f"## {contest.title}" in text
        assert f"saw {contest.steps} batches of {contest.batch_size}" in text
        for contender in contest.contenders:
            assert contender.title in text
        for picture in docs.glob(f"quality_{contest.name}_*.png"):
            assert f"({picture.name})" in text
            with Image.open(picture) as image:
                assert min(image.size) > 300


@pytest.mark.slow
def test_a_short_contest(tmp_path: Path) -> None:
    arguments = ("--steps=2", f"--runs_dir={tmp_path}/runs", f"--docs_dir={tmp_path}")
    result = subprocess.run(
        [sys.executable, *STRICT, "-m", "benchmarks.quality", *arguments],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "quality.md").read_text()
    for name in ("kid_lite0 ↓", "ssim ↑", "histogram matching", "training images"):
        assert name in text
    assert "no better than a baseline in" in text
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {f"quality_maps_{n}.png" for n in ("a2b", "b2a", "curves")}
