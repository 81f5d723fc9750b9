"""`python -m tfgan_models.interop`: each source to what is served, and back."""

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from absl import flags
from safetensors.torch import load_file

from export import check, command, interop, saved_model
from tests.export.generators import assert_nearly_equal
from tests.export.served import Ask, served
from tests.interop import rosinality_twin, stylegan_twins
from tests.interop.addons.files import graph, image, layer, write_h5
from tests.interop.junyanz_twins import Patch, Resnet, trained
from tfgan_models import CycleGAN, sampling
from tfgan_models.adversarial import weights
from tfgan_models.data import catalog, unpaired
from tfgan_models.errors import UsageError
from tfgan_models.interop.converted import TERMS
from tfgan_models.networks import ResNetGenerator
from tfgan_models.runs import checkpoints, description

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/interop.md").read_text()


@dataclass(frozen=True)
class Finished:
    """What a run of the command left: status, stdout, stderr."""

    status: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs the command line in this process."""
    values = flags.FlagValues()

    def started(*arguments: str) -> Finished:
        values.unparse_flags()
        for name in values:
            values[name].value = None
        argv = values(["interop", *arguments])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = command._guarded(interop.main, False, argv)
        return Finished(status, out.getvalue(), err.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flags, "FLAGS", values)
        for name in ("string", "enum", "integer"):
            define = getattr(flags, f"DEFINE_{name}")
            patch.setattr(
                flags,
                f"DEFINE_{name}",
                lambda *args, define=define, **options: define(
                    *args, flag_values=values, **options
                ),
            )
        interop.define_flags()
        yield started


def pictures(count: int, side: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(5)
    shape = (count, side, side, channels)
    return rng.uniform(-1, 1, shape).astype("float32")


def resnet(path: Path) -> torch.nn.Module:
    twin = trained(Resnet(1, ngf=4)).eval()
    torch.save(twin.state_dict(), path)
    return twin


def keras_2_file(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A .h5 file as Keras 2 with tensorflow-addons writes it; what its model does."""
    rng = np.random.default_rng(0)
    arrays = {
        "conv": {
            "kernel": rng.normal(size=(1, 1, 3, 2)),
            "bias": rng.normal(size=2),
        },
        "norm": {"gamma": rng.normal(size=2), "beta": rng.normal(size=2)},
    }
    described = graph(
        [image(8, 8, 3, name="photo")],
        layer("Conv2D", "conv", filters=2, kernel_size=[1, 1]),
        layer("Addons>InstanceNormalization", "norm", axis=-1, epsilon=1e-3),
        layer("Activation", "painted", activation="tanh"),
        outputs=[("painted", 0, 0)],
    )
    weights = {
        name: [(key, value.astype("float32")) for key, value in own.items()]
        for name, own in arrays.items()
    }
    write_h5(path, described, weights)

    def answer(photo: np.ndarray) -> np.ndarray:
        x = photo @ arrays["conv"]["kernel"][0, 0] + arrays["conv"]["bias"]
        x = x - x.mean((1, 2), keepdims=True)
        x = x / np.sqrt((x**2).mean((1, 2), keepdims=True) + 1e-3)
        return np.tanh(x * arrays["norm"]["gamma"] + arrays["norm"]["beta"])

    return answer


def finished_well(finished: Finished, output: Path, written: list[str]) -> None:
    """Fails unless all is there, told, and would be served."""
    assert (finished.status, finished.err) == (0, "")
    told = re.findall(r"^Wrote (\S+) \(\d+\.\d MB\)$", finished.out, re.MULTILINE)
    assert told == [f"{output}/{name}" for name in written]
    assert all(Path(path).exists() for path in told)
    *_, here, production = finished.out.splitlines()
    assert here == f"Serve here:   python -m export.serve --model_base={output}"
    assert production.endswith(f"docker compose -f {output}/docker-compose.yml up")
    assert check.check(output, lambda _: None) == []


@dataclass(frozen=True)
class Horses:
    """A folder with weights of theirs, and G_A as it was exported and given back."""

    folder: Path
    twin: torch.nn.Module
    exported: Finished
    back: Finished

    @property
    def models(self) -> Path:
        return self.folder / "models"


@pytest.fixture(scope="module")
def horses(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Horses:
    folder = tmp_path_factory.mktemp("horses")
    twins = [resnet(folder / f"latest_net_G_{name}.pth") for name in "AB"]
    for name in "AB":
        torch.save(Patch(1, 2).state_dict(), folder / f"latest_net_D_{name}.pth")
    exported = run(
        "--from=junyanz",
        f"--weights={folder}/latest_net_G_A.pth",
        f"--output={folder}/models",
        "--name=horse2zebra",
    )
    back = run(
        "--to=junyanz",
        f"--weights={folder}/models/horse2zebra_generator.keras",
        f"--output={folder}/mine_a2b.safetensors",
    )
    return Horses(folder, twins[0], exported, back)


def test_junyanz(horses: Horses) -> None:
    name = "horse2zebra_generator"
    finished_well(horses.exported, horses.models, [f"{name}/1", f"{name}.keras"])
    assert "ResNetGenerator(" in horses.exported.out.splitlines()[0]
    image = pictures(2, 32)
    with torch.no_grad():
        expected = horses.twin(torch.tensor(image.transpose(0, 3, 1, 2))).numpy()
    expected = expected.transpose(0, 2, 3, 1)
    with served(horses.models) as ask:
        assert_nearly_equal(ask(name, image=image)["translated_image"], expected)
    rebuilt = keras.models.load_model(horses.models / f"{name}.keras")
    assert_nearly_equal(rebuilt.predict(image, verbose=0), expected)


@pytest.mark.parametrize(
    ("source", "option", "given"),
    [
        ("junyanz", "--inference_norm=image", {"inference_norm": "image"}),
        ("junyanz", "--inference_norm=averages", {"inference_norm": "averages"}),
        ("rosinality", "--resolution=256", {"resolution": 256}),
        ("rosinality", "", {}),
        ("stylegan", "", {}),
    ],
)
def test_options_reach_the_reader(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    option: str,
    given: dict[str, Any],
) -> None:
    def read(path: Path, **options: Any) -> None:
        assert (path, options) == (tmp_path, given)
        raise UsageError("was called")

    monkeypatch.setitem(interop.SOURCES, source, read)
    monkeypatch.setattr(interop, "FOLDERS", (source,))
    arguments = [f"--from={source}", f"--weights={tmp_path}", "--output=m", option]
    assert "was called" in run(*filter(None, arguments)).err


def test_a_discriminator(run: Run, tmp_path: Path) -> None:
    twin = trained(Patch(2)).eval()
    torch.save(twin.state_dict(), tmp_path / "net D (A).pth")
    output = tmp_path / "models"
    finished = run(
        "--from=junyanz", f"--weights={tmp_path}/net D (A).pth", f"--output={output}"
    )
    name = "net_D_A__discriminator"
    finished_well(finished, output, [f"{name}/1", f"{name}.keras"])
    image = pictures(2, 40)
    with torch.no_grad():
        expected = twin(torch.tensor(image.transpose(0, 3, 1, 2))).numpy()
    with served(output) as ask:
        logits = ask(name, image=image)["logits"]
    assert_nearly_equal(logits, expected.transpose(0, 2, 3, 1))


def drawn_alike(ask: Ask, file: Path, latent_size: int, side: int) -> None:
    """Fails unless the served generator and the .keras file draw the same pictures."""
    rebuilt = keras.models.load_model(file)
    layers = sum(key.startswith("noise_") for key in rebuilt.input)
    shapes = [(4 << i // 2, 4 << i // 2, 1) for i in range(layers)]
    noise = sampling.noise(tf.constant([sampling.FIXED_NOISE], tf.int64), shapes)
    latent = np.random.default_rng(2).normal(size=(2, latent_size)).astype("float32")
    given = {"latent": latent, "psi": np.full((2, 1), 0.7, "float32")}
    given |= {f"noise_{i}": np.repeat(x, 2, axis=0) for i, x in enumerate(noise)}
    expected = rebuilt.predict(given, verbose=0)
    assert expected.shape == (2, side, side, 3)
    assert_nearly_equal(ask(file.stem, latent=latent)["image"], expected)


def test_stylegan(run: Run, tmp_path: Path) -> None:
    path = stylegan_twins.write_pickle(
        tmp_path / "snapshot-0100.pkl",
        stylegan_twins.make_discriminator(8),
        stylegan_twins.make_generator(8),
    )
    output = tmp_path / "models"
    finished = run("--from=stylegan", f"--weights={path}", f"--output={output}")
    generator, discriminator = (
        f"snapshot-0100_{key}" for key in ("generator", "discriminator")
    )
    written = [
        f"{name}{end}"
        for name in (generator, discriminator)
        for end in ("/1", ".keras")
    ]
    finished_well(finished, output, written)
    assert "CC BY-NC 4.0" in finished.out
    rebuilt = keras.models.load_model(output / f"{discriminator}.keras")
    image = pictures(3, 8) * np.array([0, 1, 3], "float32").reshape(3, 1, 1, 1)
    with served(output) as ask:
        latent_size = stylegan_twins.SIZES["latent_size"]
        drawn_alike(ask, output / f"{generator}.keras", latent_size, 8)
        score = ask(discriminator, image=image)["score"]
    assert_nearly_equal(score, rebuilt.predict({"image": image}, verbose=0))


def test_rosinality(run: Run, tmp_path: Path) -> None:
    twin = rosinality_twin.train(rosinality_twin.StyledGenerator([6, 5, 4]), 3)
    torch.save({"g_running": twin.state_dict()}, tmp_path / "step-2.model")
    output = tmp_path / "models"
    finished = run(
        "--from=rosinality",
        f"--weights={tmp_path}/step-2.model",
        f"--output={output}",
        "--resolution=8",
        "--name=faces",
    )
    assert (finished.status, finished.err) == (0, "")
    assert "Took 'g_running'" in finished.out
    with served(output) as ask:
        drawn_alike(ask, output / "faces_generator.keras", 12, 8)


def test_addons(run: Run, tmp_path: Path) -> None:
    answer = keras_2_file(tmp_path / "old.h5")
    output = tmp_path / "models"
    finished = run(
        "--from=addons", f"--weights={tmp_path}/old.h5", f"--output={output}"
    )
    finished_well(finished, output, ["old_model/1", "old_model.keras"])
    image = pictures(2, 8)
    with served(output) as ask:
        made = ask("old_model", photo=image)
    assert_nearly_equal(made["painted"], answer(image))
    said = description.of_saved_model(output / "old_model/1")
    assert said is not None
    assert (said.parent, said.license) == (str(tmp_path / "old.h5"), TERMS)
    assert f"{TERMS}\n" in finished.out
    assert all(f"{note}\n" in finished.out for note in said.notes[:1])
    rebuilt = keras.models.load_model(output / "old_model.keras")
    assert_nearly_equal(rebuilt.predict(image, verbose=0), answer(image))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training run of two networks."""
    folder = tmp_path_factory.mktemp("mine")
    networks = {
        key: ResNetGenerator(filters=2, residual_blocks=1) for key in ("a2b", "b2a")
    }
    checkpoints.describe_networks(folder, "generators", networks)
    checkpoints.save(folder / "checkpoints", 3, {"generators": weights(networks)})
    return folder


def test_there_and_back(horses: Horses) -> None:
    path = horses.folder / "mine_a2b.safetensors"
    assert (horses.back.status, horses.back.err) == (0, "")
    assert re.fullmatch(rf"Wrote {path} \(\d\.\d MB\)\n", horses.back.out)
    back, state = load_file(path), horses.twin.state_dict()
    assert set(back) == set(state)
    assert all(torch.equal(back[name], value) for name, value in state.items())


def test_a_training_run_goes_there(run: Run, training: Path, tmp_path: Path) -> None:
    path = tmp_path / "b2a.safetensors"
    finished = run(
        "--to=junyanz", f"--weights={training}", "--network=b2a", f"--output={path}"
    )
    assert (finished.status, finished.err) == (0, "")
    kernel = checkpoints.load_networks(training)["b2a"].get_layer("stem_conv").kernel
    theirs = load_file(path)["model.1.weight"].numpy()
    np.testing.assert_array_equal(theirs, kernel.numpy().transpose(3, 2, 0, 1))


FROM = ("--from=junyanz", "--output=models")
TO = ("--to=junyanz", "--output=x.safetensors")
MISTAKES = [
    ((), "Give --from, one of junyanz, stylegan, rosinality, addons, to convert"),
    (("--from=junyanz", "--to=junyanz"), "Received: both"),
    (("--from=junyanz", "--weights=x"), "--weights and --output are both required"),
    ((*FROM, "--weights=nosuch"), "--weights=nosuch does not exist"),
    ((*FROM, "--weights=w", "--name=a/b"), "name='a/b' cannot name a served model"),
    ((*FROM, "--weights=w", "--resolution=8"), "not apply to --from=junyanz"),
    ((*FROM, "--weights=w", "--network=a2b"), "--network=a2b does not apply to --from"),
    (
        ("--from=stylegan", "--output=m", "--weights=w", "--inference_norm=image"),
        "does not apply to --from=stylegan, only to --from=junyanz",
    ),
    ((*TO, "--weights=w", "--name=n"), "--name=n does not apply to --to=junyanz"),
    ((*FROM, "--weights=."), "--weights=. is a folder. Give the file in it"),
    ((*FROM, "--weights=w"), "w "),
    (("--from=stylegan", "--output=m", "--weights=w"), "w "),
    (("--from=rosinality", "--output=m", "--weights=w"), "w "),
    (("--from=addons", "--output=m", "--weights=w"), "w "),
    ((*TO, "--weights=w"), "w is none of: a training"),
    ((*TO, "--weights=w.keras"), "w.keras cannot be loaded: "),
    ((*TO, "--weights=w.keras", "--network=a2b"), "--network=a2b does not apply to a"),
    ((*TO, "--weights=."), ". is none of: a training"),
    ((*TO, "--weights=RUN"), "--network must be one of a2b, b2a, the networks of"),
    ((*TO, "--weights=RUN", "--network=a"), "Received: a"),
    (("--to=junyanz", "--output=x.pth", "--weights=RUN", "--network=a2b"), "x.pth"),
]


@pytest.mark.parametrize(
    ("arguments", "text"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES]
)
def test_mistakes_are_one_line(
    run: Run,
    arguments: tuple[str, ...],
    text: str,
    training: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("w", "w.keras"):
        Path(name).write_bytes(b"not a model")
    finished = run(*(a.replace("RUN", str(training)) for a in arguments))
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert text in finished.err
    assert {path.name for path in tmp_path.iterdir()} == {"w", "w.keras"}


def test_it_is_started_by_its_name(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tfgan_models.interop", *FROM, "--weights=nosuch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == "interop: --weights=nosuch does not exist.\n"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/latest_net_G.pth", "latest_net_G"),
        ("Gs (1).ema.pkl", "Gs_1_.ema"),
        ("-ä.h5", "_"),
        (".h5", "h5"),
        ("...", "model"),
    ],
)
def test_names_are_made_fit(path: str, name: str) -> None:
    assert interop.default_name(Path(path)) == name


def test_a_folder_gives_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "saved.v1").mkdir()
    assert interop.default_name(tmp_path / "saved.v1") == "saved.v1"


def test_every_source_has_a_row_and_a_command_on_the_page() -> None:
    rows = re.findall(r"^\| (\w+) \| .* \| 1e-\d[^|]* \|$", PAGE, re.MULTILINE)
    assert rows == list(interop.SOURCES)
    for source in interop.SOURCES:
        assert f"python -m tfgan_models.interop --from={source} " in PAGE
    for target in interop.TARGETS:
        assert f"python -m tfgan_models.interop --to={target} " in PAGE


def test_the_pages_programs_run(
    horses: Horses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(horses.folder)
    names: dict[str, Any] = {"net": Resnet(1, ngf=4)}
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(programs) == 4
    # Minutes long, or of images that are not here; their arguments are checked.
    for place, slow in (
        (CycleGAN, "fit"),
        (catalog, "unpaired"),
        (unpaired, "train_batches"),
        (saved_model, "export_networks"),
    ):
        monkeypatch.setattr(place, slow, create_autospec(getattr(place, slow)))
    for program in programs:
        exec(compile(program, "docs/interop.md", "exec"), names)
    assert names["painted"].shape == (1, 256, 256, 3)
    model, images = CycleGAN.fit.call_args.args
    assert model is names["model"]
    assert images is unpaired.train_batches.return_value
    assert unpaired.train_batches.call_args.kwargs["image_size"] == model.image_size
    networks, *_ = saved_model.export_networks.call_args.args
    assert networks == {"a2b": model.generator_a2b, "b2a": model.generator_b2a}
    assert (horses.folder / "continued_a2b.weights.h5").exists()
    made = names["net"].state_dict()
    assert all(torch.equal(made[k], v) for k, v in horses.twin.state_dict().items())
