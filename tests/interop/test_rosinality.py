"""Generators of rosinality/style-based-gan-pytorch become ours and draw the same."""

import copy
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from tests.interop import rosinality_twin
from tests.interop.rosinality_twin import StyledGenerator
from tests.interop.test_stylegan import close, difference
from tfgan_models.errors import UsageError
from tfgan_models.interop import rosinality

# From 4 px; the last is 128 px, the first that is fused.
WIDTHS = [16, 16, 16, 16, 8, 4]


def make(blocks: int, trained: int | None = None, **options: Any) -> StyledGenerator:
    """Returns a generator with so many blocks, of which the first are trained."""
    torch.manual_seed(0)
    twin = StyledGenerator(WIDTHS[:blocks], **options)
    return rosinality_twin.train(twin, blocks if trained is None else trained)


def saved(state: Any, folder: Path, **options: Any) -> Path:
    """Writes what PyTorch writes."""
    torch.save(state, folder / "generator.model", **options)
    return folder / "generator.model"


def noise_maps(side: int, count: int = 2) -> list[np.ndarray]:
    """Returns a map [N, R, R, 1] for each resolution, which has two style layers."""
    rng = np.random.default_rng(2)
    sides = [4 << i for i in range(int(np.log2(side)) - 1)]
    return [rng.normal(size=(count, s, s, 1)).astype("float32") for s in sides]


def draw(
    twin: StyledGenerator, latents: np.ndarray, noise: list[np.ndarray], **options: Any
) -> np.ndarray:
    """Draws [N, H, W, C] with PyTorch, whose own rounding is kept out by float64."""
    exact = copy.deepcopy(twin).double()
    maps = [torch.from_numpy(x).double().permute(0, 3, 1, 2) for x in noise]
    with torch.no_grad():
        images = exact(torch.from_numpy(latents).double(), maps, **options)
    return images.permute(0, 2, 3, 1).numpy()


def both(
    network: keras.Model, twin: StyledGenerator, psi: float | None = None
) -> tuple[Any, np.ndarray]:
    """Returns our images and the twin's, truncated by the same average w."""
    shape = (2, network.latent_size)
    latents = np.random.default_rng(3).normal(size=shape).astype("float32")
    noise = noise_maps(network.resolution)
    options: dict[str, Any] = {}
    if psi is not None:
        options = {"mean": torch.from_numpy(network.w_avg.numpy()), "weight": psi}
    twice = [x for x in noise for _ in (0, 1)]
    ours = network(latents, noise=twice, psi=psi, cutoff=100)
    return ours, draw(twin, latents, noise, **options)


CASES: dict[str, dict[str, Any]] = {
    "8px": {"blocks": 2},
    "16px_grey": {"blocks": 3, "channels": 1},
    "32px_fused_everywhere": {"blocks": 4, "fused_from": 8},
    "64px": {"blocks": 5, "code": 20, "layers": 5},
    "128px_fused": {"blocks": 6},
    "128px_not_fused": {"blocks": 6, "fused_from": 256},
}


@pytest.mark.parametrize("case", CASES)
def test_images_are_equal(tmp_path: Path, case: str) -> None:
    twin = make(**CASES[case])
    path = saved(twin.state_dict(), tmp_path)
    network = rosinality.load(path).networks["generator"]
    assert network.resolution == 2 << CASES[case]["blocks"]
    images = {psi: both(network, twin, psi) for psi in (None, 0.7)}
    for ours, theirs in images.values():
        assert close(ours, theirs)
    assert np.abs(images[None][1] - images[0.7][1]).max() > 0.1


@pytest.mark.slow
def test_images_of_real_widths_are_equal(tmp_path: Path) -> None:
    torch.manual_seed(0)
    twin = StyledGenerator([512, 512, 512, 512, 256, 128, 64], code=512, layers=8)
    path = saved(rosinality_twin.train(twin, 7).state_dict(), tmp_path)
    network = rosinality.load(path).networks["generator"]
    found = difference(*both(network, twin))
    print(f"differs by {found:.1e}")
    assert found < 2e-4


def test_the_format_before_pytorch_1_6(tmp_path: Path) -> None:
    twin = make(2)
    path = saved(twin.state_dict(), tmp_path, _use_new_zipfile_serialization=False)
    network = rosinality.load(path).networks["generator"]
    assert close(*both(network, twin))


def test_the_average_w(tmp_path: Path) -> None:
    twin = make(2)
    converted = rosinality.load(saved(twin.state_dict(), tmp_path))
    latents = torch.randn((20_000, 12), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        w = twin.map(latents).numpy()
    error = np.abs(converted.networks["generator"].w_avg.numpy() - w.mean(axis=0))
    # Two means of so many differ by about a hundredth of the deviation of one.
    assert (error / w.std(axis=0)).max() < 0.06
    assert "computed from 10240 latents (seed 0)" in "\n".join(converted.notes)


def test_the_trained_resolution_is_recognised(tmp_path: Path) -> None:
    twin = make(6, trained=3)
    path = saved(twin.state_dict(), tmp_path)
    converted = rosinality.load(path)
    network = converted.networks["generator"]
    assert network.resolution == 16
    assert close(*both(network, twin))
    told = "\n".join(converted.notes)
    assert "Resolution 16 px: the highest of the file's (8, 16, 32, 64, 128)" in told
    assert "untrained ones were dropped" in told
    assert "StyleGenerator(resolution=16, channels=3, latent_size=12" in told
    assert "unless psi is 1" not in told
    assert converted.license == rosinality.LICENCE
    assert all("\n" not in note for note in converted.notes)


def test_a_resolution_of_ones_own(tmp_path: Path) -> None:
    twin = make(6, trained=3)
    path = saved(twin.state_dict(), tmp_path)
    for resolution in (8, 64):
        converted = rosinality.load(path, resolution=resolution)
        network = converted.networks["generator"]
        assert network.resolution == resolution
        assert close(*both(network, twin))
        assert "as requested; blocks up to 16 px are trained" in "\n".join(
            converted.notes
        )
    assert "unless psi is 1" in "\n".join(converted.notes)
    for resolution in (4, 12, 256):
        match = f"resolution={resolution}. Allowed: 8, 16, 32, 64, 128."
        with pytest.raises(UsageError, match=match):
            rosinality.load(path, resolution=resolution)


def test_an_untrained_generator(tmp_path: Path) -> None:
    path = saved(make(3, trained=1).state_dict(), tmp_path)
    with pytest.raises(UsageError, match=r"no trained block above 4 px .* 8, 16\."):
        rosinality.load(path)
    assert rosinality.load(path, 16).networks["generator"].resolution == 16


def adam(network: torch.nn.Module) -> dict[str, Any]:
    """What torch.optim.Adam's state_dict gives: torch takes seconds to import it."""
    moments = {
        i: {"step": torch.tensor(1.0), "exp_avg": x + 1, "exp_avg_sq": x**2}
        for i, x in enumerate(map(torch.Tensor.detach, network.parameters()))
    }
    options = {"lr": 0.5, "betas": (0.0, 0.99), "eps": 1e-8, "weight_decay": 0}
    options |= {"amsgrad": False, "foreach": None, "params": list(moments)}
    return {"state": moments, "param_groups": [options]}


def test_a_training_checkpoint(tmp_path: Path) -> None:
    plain, averaged = make(3), make(3, layers=2)
    checkpoint = {
        "generator": {f"module.{n}": v for n, v in plain.state_dict().items()},
        "g_optimizer": adam(plain),
        "g_running": averaged.state_dict(),
    }
    converted = rosinality.load(saved(checkpoint, tmp_path))
    assert close(*both(converted.networks["generator"], averaged))
    told = "Took 'g_running' from the checkpoint; ignored: generator, g_optimizer."
    assert converted.notes[0] == told

    del checkpoint["g_running"]
    converted = rosinality.load(saved(checkpoint, tmp_path))
    assert close(*both(converted.networks["generator"], plain))
    assert converted.notes[0].startswith("Took 'generator'")


def without_blurs(state: dict[str, Any]) -> None:
    for name in [n for n in state if n.endswith("weight_flip")]:
        del state[name]


def not_in_a_sequence(state: dict[str, Any]) -> None:
    for name in [n for n in state if ".conv1." in n and n.endswith(("orig", "bias"))]:
        state[name.replace("conv1.1.conv", "conv1.conv")] = state.pop(name)
    for name in [n for n in state if ".conv1.2." in n]:
        del state[name]


def another_blur(state: dict[str, Any]) -> None:
    state["generator.progression.1.conv1.2.weight"] *= 4


def lacking(state: dict[str, Any]) -> None:
    del state["generator.progression.2.noise2.weight_orig"]


def more(state: dict[str, Any]) -> None:
    state["generator.progression.2.noise3.weight_orig"] = torch.zeros(2)


def no_floats(state: dict[str, Any]) -> None:
    name = "generator.to_rgb.1.conv.weight_orig"
    state[name] = state[name].to(torch.int32)


def a_gap(state: dict[str, Any]) -> None:
    state["generator.progression.7.conv2.conv.bias"] = torch.zeros(2)


def no_mapping(state: dict[str, Any]) -> None:
    for name in [n for n in state if n.startswith("style.")]:
        del state[name]


def a_list(state: dict[str, Any]) -> None:
    state["epochs"] = [1, 2]


def nothing(state: dict[str, Any]) -> None:
    state.clear()


REFUSED = {
    without_blurs: "lacks generator.progression.1.conv1.2.weight_flip: .* older",
    not_in_a_sequence: "lacks generator.progression.1.conv1.2.weight_flip: .* older",
    another_blur: "blur in generator.progression.1.conv1.2.weight other than",
    lacking: r"missing generator.progression.2.noise2.weight_orig \[1, 16, 1, 1\]",
    more: r"unexpected generator.progression.2.noise3.weight_orig \[2\]",
    no_floats: r"not floating point: generator.to_rgb.1.conv.weight_orig \(int32\)",
    a_gap: r"has the blocks \[0, 1, 2, 7\]",
    no_mapping: "tensor style.1.linear.weight_orig, and the file lacks it",
    a_list: "holds epochs where tensors were expected",
    nothing: "holds nothing where tensors were expected",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_other_files_are_refused(tmp_path: Path, change: Any) -> None:
    state = dict(make(3).state_dict())
    change(state)
    with pytest.raises(UsageError, match=REFUSED[change]) as error:
        rosinality.load(saved(state, tmp_path))
    assert "\n" not in str(error.value)
