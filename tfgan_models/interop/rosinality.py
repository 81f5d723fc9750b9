"""Generators of rosinality/style-based-gan-pytorch, read into our StyleGenerator.

Names, shapes and the order of operations are those of its newest state dicts. This
package contains no code or weights of the project.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.interop import style_weights, torch_file
from tfgan_models.interop.converted import Converted, in_lines
from tfgan_models.interop.messages import listed
from tfgan_models.layers import EqualizedDense
from tfgan_models.networks import StyleGenerator

LICENCE = (
    "rosinality/style-based-gan-pytorch is under the MIT licence. Converted weights "
    "keep the licence of whoever trained them."
)

AVERAGED = 10_240
"""Latents that the average w is computed from, as many as in the original's script."""

_BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
_SQRT2 = math.sqrt(2.0)
_BLOCK = "generator.progression.{}"

State = Mapping[str, np.ndarray]


@in_lines
def load(path: str | Path, resolution: int | None = None) -> Converted:
    """Reads a StyledGenerator.

    Args:
        path: A state dict, or a training checkpoint, of which "g_running" is taken
            (the running average over training), else "generator".
        resolution: Side of the images, one of the file's from 8 px; its blocks above
            are left out. None: the highest that was trained, which is recognised by
            noise strengths and biases that are not 0 any more.

    Returns:
        "generator".

    Raises:
        UsageError: The file cannot be read, is no such generator, is from an older
            version of the code, or has no such resolution.
    """
    path = Path(path)
    state, notes = _state(path)
    what = f"{path}, its StyledGenerator"
    blocks = style_weights.numbers(state, r"generator\.progression\.(\d+)\.")
    style_weights.check_blocks(len(blocks), what)
    if len(blocks) < 2 or blocks != list(range(len(blocks))):
        raise UsageError(
            f"{what} has the blocks {blocks} (generator.progression.N). Allowed: 0, 1, "
            "... each once, two or more. Received the tensors "
            f"{listed(state)}."
        )
    _check_version(state, len(blocks), what)
    widths = {
        4 << j: style_weights.size(
            state, f"{_BLOCK.format(j)}.conv2.conv.bias", 0, what
        )
        for j in blocks
    }
    style_weights.check(state, _shapes(state, list(widths.values()), what), what)
    _check_blurs(state, len(blocks), what)
    side, told = _resolution(state, list(widths), resolution, what)
    kept = {s: width for s, width in widths.items() if s <= side}
    code = state["style.1.linear.bias"].size
    sizes: dict[str, Any] = {
        "resolution": side,
        "channels": state["generator.to_rgb.0.conv.bias"].size,
        "latent_size": code,
        "w_size": code,
        "mapping_layers": len(_mapping_layers(state)),
        **style_weights.channel_options(kept, None, what),
        "norm_epsilon": 1e-5,
        "bias_before_blur": True,
    }
    generator = StyleGenerator(**sizes, name="generator", dtype="float32")
    _fill(generator, state)
    _average(generator)
    notes += [
        f"Recognised StyleGenerator({style_weights.arguments(sizes)}).",
        told,
        f"The average w is not in the file: computed from {AVERAGED} latents (seed 0).",
        "The original shares one noise map between both style layers of a resolution; "
        "here each has its own input, which may be given the same map.",
    ]
    if side > 32:
        notes.append(
            "The original truncates all style layers, ours the first 8 (to 32 px): "
            "images differ unless psi is 1."
        )
    return Converted({"generator": generator}, tuple(notes), LICENCE)


def _state(path: Path) -> tuple[State, list[str]]:
    """Returns the tensors by name, without prefixes, and notes."""
    content = torch_file.read_nested(path)
    notes = []
    for key in ("g_running", "generator"):
        if isinstance(content.get(key), dict):
            left = ", ".join(str(name) for name in content if name != key) or "nothing"
            notes = [f"Took {key!r} from the checkpoint; ignored: {left}."]
            content = content[key]
            break
    other = [str(n) for n, v in content.items() if not isinstance(v, np.ndarray)]
    if other or not content:
        raise UsageError(
            f"{path} holds {listed(other) if other else 'nothing'} where tensors "
            "were expected. Allowed: a state dict of StyledGenerator, or a checkpoint "
            "with 'g_running' or 'generator'."
        )
    return torch_file.without_prefix(content), notes


def _check_version(state: State, blocks: int, what: str) -> None:
    for j in range(1, blocks):
        _, blur = _blur_names(state, j)
        if blur not in state:
            raise UsageError(
                f"{what} lacks {blur}: it comes from an older version of the code, "
                "without these blur buffers, which computes in another order. Allowed: "
                "files of the newest version."
            )


def _check_blurs(state: State, blocks: int, what: str) -> None:
    for j in range(1, blocks):
        for name in _blur_names(state, j):
            if not np.allclose(state[name], _BLUR, atol=1e-6):
                raise UsageError(
                    f"{what} has a blur in {name} other than [1, 2, 1] x [1, 2, 1] / "
                    "16, the only one supported."
                )


def _is_fused(state: State, block: int) -> bool:
    return f"{_BLOCK.format(block)}.conv1.0.weight" in state


def _blur_names(state: State, block: int) -> tuple[str, str]:
    blur = f"{_BLOCK.format(block)}.conv1.{1 if _is_fused(state, block) else 2}"
    return f"{blur}.weight", f"{blur}.weight_flip"


def _mapping_layers(state: State) -> list[str]:
    places = style_weights.numbers(state, r"style\.(\d+)\.linear\.weight_orig$")
    return [f"style.{place}.linear" for place in places]


def _shapes(state: State, widths: list[int], what: str) -> dict[str, tuple[int, ...]]:
    code = style_weights.size(state, "style.1.linear.weight_orig", 0, what)
    channels = style_weights.size(state, "generator.to_rgb.0.conv.bias", 0, what)
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(len(_mapping_layers(state))):
        shapes[f"style.{2 * i + 1}.linear.weight_orig"] = (code, code)
        shapes[f"style.{2 * i + 1}.linear.bias"] = (code,)
    for j, width in enumerate(widths):
        block = _BLOCK.format(j)
        shapes |= _conv1_shapes(state, j, widths)
        shapes[f"{block}.conv2.conv.weight_orig"] = (width, width, 3, 3)
        shapes[f"{block}.conv2.conv.bias"] = (width,)
        for k in (1, 2):
            shapes[f"{block}.noise{k}.weight_orig"] = (1, width, 1, 1)
            shapes[f"{block}.adain{k}.style.linear.weight_orig"] = (2 * width, code)
            shapes[f"{block}.adain{k}.style.linear.bias"] = (2 * width,)
        shapes[f"generator.to_rgb.{j}.conv.weight_orig"] = (channels, width, 1, 1)
        shapes[f"generator.to_rgb.{j}.conv.bias"] = (channels,)
    return shapes


def _conv1_shapes(
    state: State, block: int, widths: list[int]
) -> dict[str, tuple[int, ...]]:
    width, conv = widths[block], f"{_BLOCK.format(block)}.conv1"
    if not block:
        return {f"{conv}.input": (1, width, 4, 4)}
    below = widths[block - 1]
    shapes: dict[str, tuple[int, ...]] = {}
    if _is_fused(state, block):
        shapes[f"{conv}.0.weight"] = (below, width, 3, 3)
        shapes[f"{conv}.0.bias"] = (width,)
    else:
        shapes[f"{conv}.1.conv.weight_orig"] = (width, below, 3, 3)
        shapes[f"{conv}.1.conv.bias"] = (width,)
    return shapes | dict.fromkeys(_blur_names(state, block), (width, 1, 3, 3))


def _resolution(
    state: State, sides: list[int], resolution: int | None, what: str
) -> tuple[int, str]:
    """Returns the side of the images, and how it was chosen."""
    allowed = ", ".join(map(str, sides[1:]))
    trained = [side for j, side in enumerate(sides) if _is_trained(state, j)]
    if resolution is not None:
        if resolution not in sides[1:]:
            raise UsageError(
                f"{what} has no blocks for resolution={resolution}. Allowed: {allowed}."
            )
        return resolution, (
            f"Resolution {resolution} px, as requested; blocks up to "
            f"{max(trained, default=0)} px are trained."
        )
    if max(trained, default=4) == 4:
        raise UsageError(
            f"{what} has no trained block above 4 px (all noise strengths and biases "
            f"are 0): its resolution is unknown. Pass a resolution, one of {allowed}."
        )
    left = sides[-1] > trained[-1]
    return trained[-1], (
        f"Resolution {trained[-1]} px: the highest of the file's ({allowed}) with a "
        f"trained block{'; untrained ones were dropped' if left else ''}."
    )


def _is_trained(state: State, block: int) -> bool:
    """Whether anything that is initialised to 0 has changed."""
    name = _BLOCK.format(block)
    starts = [state[f"{name}.conv2.conv.bias"]]
    for k in (1, 2):
        offsets = state[f"{name}.adain{k}.style.linear.bias"]
        starts += [state[f"{name}.noise{k}.weight_orig"], offsets[offsets.size // 2 :]]
    return any(array.any() for array in starts)


def _fill(generator: StyleGenerator, state: State) -> None:
    for layer, dense in zip(
        _mapping_layers(state), generator.mapping.denses, strict=True
    ):
        # Theirs has no learning rate of its own.
        scale = 1 / dense.lr_multiplier
        style_weights.put(dense.kernel, state[f"{layer}.weight_orig"].T * scale)
        style_weights.put(dense.bias, state[f"{layer}.bias"] * scale)
    synthesis = generator.synthesis
    constant = state[f"{_BLOCK.format(0)}.conv1.input"]
    style_weights.put(synthesis.constant.constant, constant[0].transpose(1, 2, 0))
    for i in range(synthesis.num_layers):
        name = f"{_BLOCK.format(i // 2)}.{{}}{i % 2 + 1}"
        strengths = state[f"{name.format('noise')}.weight_orig"].ravel()
        # All of its layers are equalised with a gain of sqrt(2), this one too.
        scale = math.sqrt(2 / strengths.size)
        style_weights.put(synthesis.noises[i].scale, strengths * scale)
        _fill_style(synthesis.adains[i].affine, state, f"{name.format('adain')}.style")
        if i:
            kernel, bias = _conv(state, i)
            style_weights.put(synthesis.convs[i - 1].kernel, kernel)
            style_weights.put(synthesis.biases[i].bias, bias)
    for j, to_rgb in enumerate(synthesis.to_rgbs):
        conv = f"generator.to_rgb.{j}.conv"
        kernel = _kernel(state[f"{conv}.weight_orig"]) * _SQRT2
        style_weights.put(to_rgb.kernel, kernel)
        style_weights.put(to_rgb.bias, state[f"{conv}.bias"])


def _fill_style(affine: EqualizedDense, state: State, name: str) -> None:
    style_weights.put(affine.kernel, state[f"{name}.linear.weight_orig"].T * _SQRT2)
    bias = np.array(state[f"{name}.linear.bias"], np.float32)
    # Ours adds 1 to the scale.
    bias[: bias.size // 2] -= 1
    style_weights.put(affine.bias, bias)


def _conv(state: State, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the kernel [3, 3, in, out] and the bias before a style layer."""
    block = layer // 2
    conv = f"{_BLOCK.format(block)}.conv{layer % 2 + 1}"
    if layer % 2 == 0 and _is_fused(state, block):
        # Merged with the doubling it runs backwards, as the mean of its four shifts
        # where ours has the sum.
        kernel = state[f"{conv}.0.weight"].transpose(2, 3, 0, 1)[::-1, ::-1] / 4
        return kernel, state[f"{conv}.0.bias"]
    conv += ".conv" if layer % 2 else ".1.conv"
    return _kernel(state[f"{conv}.weight_orig"]), state[f"{conv}.bias"]


def _kernel(weight: np.ndarray) -> np.ndarray:
    return weight.transpose(2, 3, 1, 0)


def _average(generator: StyleGenerator) -> None:
    shape = (AVERAGED, generator.latent_size)
    latents = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    style_weights.put(
        generator.w_avg, np.mean(generator.mapping(latents), axis=0, dtype=np.float64)
    )
