"""The command line of trainers.generate: dispatch, and one line for each error."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

from tests.export.conftest import REPOSITORY, environment
from tests.trainers.conftest import flags_of
from tests.trainers.generation import networks
from tfgan_models.errors import FailureError, UsageError
from trainers import generate
from trainers.generation import parsing


def run_all(*command_lines: list[str]) -> list[str]:
    """What each command line prints, or its error."""
    results = []
    for arguments in command_lines:
        output = io.StringIO()
        with flags_of(generate.define_flags), contextlib.redirect_stdout(output):
            flags.FLAGS.set_gnu_getopt()
            try:
                generate.main(flags.FLAGS(["generate", *arguments]))
                results.append(output.getvalue())
            except (FailureError, UsageError) as error:
                results.append(f"{type(error).__name__}: {error}")
            finally:
                flags.FLAGS.set_gnu_getopt(False)
    return results


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StyleGAN of 16 px, one with classes, a ProGAN, a CGAN and an image."""
    root = tmp_path_factory.mktemp("files")
    networks.style(16).save(root / "style.keras")
    networks.style(16, networks.CLASSES).save(root / "classes.keras")
    networks.progressive().save(root / "progan.keras")
    networks.conditional().save(root / "cgan.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(root / "image.png")
    return root


def test_every_command_writes_its_files(files: Path, tmp_path: Path) -> None:
    common = [f"--model={files / 'style.keras'}", f"--output_dir={tmp_path / 'out'}"]
    expected = {
        "images --seeds=0-4": {"images.png": (56, 38)},
        "images --seeds=3,5 --layout=files --noise=none": {
            "seed_0003.png": (16, 16),
            "seed_0005.png": (16, 16),
        },
        "mix --styles=middle": {"mix.png": (128, 92)},
        "morph --seeds=1,2 --frames=3 --format=gif": {"morph.gif": (16, 16)},
        "truncation --psis=-1,0": {"truncation.png": (38, 20)},
        "noise --count=5": {
            "noise.png": (56, 38),
            "noise_mean.png": (16, 16),
            "noise_std.png": (16, 16),
        },
        f"project --image={files / 'image.png'} --steps=2": {
            "projection.png": (38, 20),
            "loss.png": None,
            "w.npz": None,
        },
        "directions --count=2 --layers=coarse": {
            "directions.html": None,
            "directions.npz": None,
        },
    }
    results = run_all(*([*line.split(" "), *common] for line in expected))
    for result, wanted in zip(results, expected.values(), strict=True):
        written = [line for line in result.splitlines() if line.startswith("Wrote ")]
        assert written == [f"Wrote {tmp_path / 'out' / name}" for name in wanted]
        for name, size in wanted.items():
            assert (tmp_path / "out" / name).stat().st_size > 0
            if size is not None:
                with Image.open(tmp_path / "out" / name) as image:
                    assert image.size == size


def test_errors_are_one_line(files: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    style, classes = (f"--model={files / name}.keras" for name in ("style", "classes"))
    progan, cgan = (f"--model={files / name}.keras" for name in ("progan", "cgan"))
    image = f"--image={tmp_path / 'none.png'}"
    out = f"--output_dir={tmp_path}"
    expected = {
        ("paint", style): "Give one command: images, mix, morph, truncation, noise",
        ("image", style): "Received: image. Did you mean images?",
        (): "Received: none",
        ("images", "mix", style): "Received: images mix",
        ("images",): "--model is required",
        ("images", style, "--seeds=3-1"): "--seeds=3-1 is not a list of seeds",
        ("mix", style, "--rows=a"): "--rows=a is not a list of seeds",
        ("images", style, "--psi=2.5"): "--psi must be in [-2, 2]. Received: 2.5",
        ("truncation", style, "--psis=0,3"): "--psis must be in [-2, 2]",
        ("mix", style, "--seeds=1"): "mix does not take --seeds. It takes: --rows",
        ("morph", style, "--space=w+"): "morph --space must be w or z",
        ("project", style, "--space=z", image): "project --space must be w or w+",
        ("project", style): "project needs --image",
        ("project", style, image, out): "none.png cannot be read",
        ("images", style, f"--output_dir={tmp_path / 'file'}"): "cannot be written",
        ("images", "--model=nowhere", out): "--model=nowhere does not exist",
        ("images", style, "--class=1", out): "the model has no classes",
        ("mix", classes, out): "The model has 3 classes: give 0 to 2",
        ("morph", cgan, out): "The model has 3 classes: give 0 to 2",
        ("images", classes, "--class=3", out): "Received: 3",
        ("images", classes, "--class=cat", out): "Received: cat",
        ("mix", progan, out): "mix needs w, which this generator does not have",
        ("noise", cgan, "--class=1", out): "noise needs w, which this",
        ("images", progan, "--psi=1", out): "has no psi: omit psi",
        ("morph", progan, "--space=w", out): "space must be z: this generator has no w",
        ("mix", style, "--styles=fine", out): "fine styles are those of 64 px",
    }
    (tmp_path / "blocked" / "images.png").mkdir(parents=True)
    blocked = ["images", style, "--seeds=1", f"--output_dir={tmp_path / 'blocked'}"]
    *results, failure = run_all(*map(list, expected), blocked)
    assert failure.startswith("FailureError: The files in --output_dir=")
    for result, message in zip(results, expected.values(), strict=True):
        assert result.startswith("UsageError: ")
        assert message in result
        assert "\n" not in result


def test_without_a_class_each_has_a_row(files: Path, tmp_path: Path) -> None:
    for name, side in (("classes", 16), ("cgan", 9)):
        common = [f"--model={files / name}.keras", f"--output_dir={tmp_path / name}"]
        results = run_all(
            ["images", *common],
            ["images", "--seeds=5,2", "--layout=files", *common],
            ["images", "--seeds=2", "--layout=files", "--class=1", *common],
        )
        written = [
            [Path(line.removeprefix("Wrote ")) for line in result.splitlines()]
            for result in results
        ]
        [[grid], each, [alone]] = written
        assert [path.name for path in each] == [
            f"class_{label:03d}_seed_{seed:04d}.png"
            for label in range(3)
            for seed in (5, 2)
        ]
        assert each[3].read_bytes() == alone.read_bytes()
        pixels = np.asarray(Image.open(grid))
        step = side + 2
        assert pixels.shape == (3 * step + 2, 8 * step + 2, 3)
        for label in range(3):
            top, left = 2 + label * step, 2 + 5 * step
            cell = pixels[top : top + side, left : left + side]
            np.testing.assert_array_equal(cell, np.asarray(Image.open(each[2 * label])))
        assert len({path.read_bytes() for path in each}) == 6


def test_classes_have_the_names_of_the_data_set(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(2):
            pixels = random.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    run = networks.save_training(networks.style(16, 3), tmp_path / "run")
    recipe = {"model": "stylegan", "dataset": f"folder:{tmp_path / 'data'}"}
    (run / "recipe.json").write_text(json.dumps(recipe))
    common = ["images", f"--model={run}", "--layout=files", "--seeds=1"]
    named, numbered, wrong, here = run_all(
        [*common, "--class=dog", f"--output_dir={tmp_path / 'named'}"],
        [*common, "--class=1", f"--output_dir={tmp_path / 'numbered'}"],
        [*common, "--class=cow", f"--output_dir={tmp_path / 'wrong'}"],
        [*common, "--class=dog"],
    )
    assert named.startswith("Wrote") and numbered.startswith("Wrote")
    pictures = [tmp_path / kind / "seed_0001.png" for kind in ("named", "numbered")]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert "or one of: cat, dog, owl. Received: cow" in wrong
    assert here == f"Wrote {run}/generated/seed_0001.png\n"


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("models/mine_generator.keras", "generated/mine_generator"),
        ("models/v1.2_generator/", "generated/v1.2_generator"),
        ("models/mine_generator/3", "generated/mine_generator"),
    ],
)
def test_each_exported_model_has_a_folder(model: str, folder: str) -> None:
    assert generate.default_folder(model) == Path(folder)


def test_the_command_exits_with_2_and_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainers.generate", "paint", "--model=x"],
        cwd=REPOSITORY,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Received: paint" in done.stderr


def test_lists_of_seeds() -> None:
    assert parsing.seeds("seeds", "0-3,100") == [0, 1, 2, 3, 100]
    assert parsing.seeds("seeds", "7") == [7]
    assert parsing.seeds("seeds", " 4 , 2 - 3 ") == [4, 2, 3]
    assert parsing.seeds("seeds", str(2**63 - 1)) == [2**63 - 1]


@pytest.mark.parametrize("text", ["", "a", "1,", "1..3", "3-1", "-1", str(2**63)])
def test_what_is_no_list_of_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="is not a list of seeds"):
        parsing.seeds("seeds", text)


def test_very_long_lists_are_refused() -> None:
    assert len(parsing.seeds("seeds", "1-100000")) == 100_000
    with pytest.raises(UsageError, match="names more than 100000 seeds"):
        parsing.seeds("seeds", "5,0-99999")
    with pytest.raises(UsageError, match="names more than 100000 seeds"):
        parsing.seeds("seeds", "0-9000000000000000000")


def test_values_of_psi() -> None:
    assert parsing.psis("psis", "-2,0.5, 2") == [-2.0, 0.5, 2.0]
    for text in ("2.1", "-3", "nan", "inf"):
        with pytest.raises(UsageError, match=r"--psis must be in \[-2, 2\]"):
            parsing.psis("psis", text)
    with pytest.raises(UsageError, match="is not a list of numbers"):
        parsing.psis("psis", "1,b")
