"""StyleGAN pickles of NVlabs/stylegan, read into our networks.

Names, shapes and the order of operations are those of the published network files.
This package contains no code or weights of NVIDIA's; converted weights keep their
licence.
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.interop import dnnlib_file, style_weights
from tfgan_models.interop.converted import Converted, in_lines
from tfgan_models.interop.dnnlib_file import PickledNetwork
from tfgan_models.interop.messages import listed
from tfgan_models.interop.stylegan_options import Options, check_options
from tfgan_models.networks import StyleDiscriminator, StyleGenerator

LICENCE = (
    "NVlabs/stylegan and its published weights are under CC BY-NC 4.0, which forbids "
    "commercial use. Converted weights keep the file's licence; this package contains "
    "nothing of NVIDIA's."
)

_FUSED_FROM = 128
_CUTOFF = 8


@in_lines
def load(path: str | Path) -> Converted:
    """Reads a pickle of StyleGAN's networks, without running it.

    Args:
        path: A pickle of (G, D, Gs), or of one of them. Any resolution from 8 px,
            number of channels, of classes, of mapping layers and any widths that
            `fmap_base` and `fmap_max` give; trained to the end or in part.

    Returns:
        "generator", Gs where the file has it, else G; "discriminator", D; those that
        the file has.

    Raises:
        UsageError: The file cannot be read, or holds another network or options that
            ours do not support; they are named.
    """
    path = Path(path)
    networks = dnnlib_file.read(path)
    # ProGAN's D_paper has the same names and shapes as D_basic, and no blur.
    drawers = [n for n in networks if n.build_func_name == "G_style"]
    judges = [n for n in networks if n.build_func_name == "D_basic"]
    unknown = [
        f"{n.name!r} built by {n.build_func_name!r}"
        for n in networks
        if n.build_func_name not in ("G_style", "D_basic")
    ]
    if unknown:
        raise UsageError(
            f"{path} holds the networks {listed(unknown)}. Allowed: G "
            "and Gs of NVlabs/stylegan, built by 'G_style', and D by 'D_basic'. "
            "ProGAN's and StyleGAN2's cannot be converted."
        )
    converted: dict[str, keras.Model] = {}
    notes: list[str] = []
    if drawers:
        chosen = next((n for n in drawers if n.name == "Gs"), drawers[-1])
        converted["generator"], told = _generator(path, chosen)
        notes += told
        left = [n for n in drawers if n is not chosen]
        notes += [
            f"{n.name} was left out: {chosen.name}, its running average over training, "
            "draws the better images."
            for n in left
        ]
    if judges:
        converted["discriminator"], told = _discriminator(path, judges[0])
        notes += told
    return Converted(converted, tuple(notes), LICENCE)


def _generator(
    path: Path, network: PickledNetwork
) -> tuple[StyleGenerator, Iterable[str]]:
    what = f"{path}, its generator {network.name!r}"
    options, unread = check_options(network, what)
    variables = dict(network.variables)
    for part, component in network.components.items():
        variables |= {f"{part}/{n}": array for n, array in component.variables.items()}
    lod = _take_lods(variables, ("lod", "synthesis/lod"))
    ladder = _ladder(variables, "synthesis/", "Conv1", what)
    sizes = _generator_sizes(variables, ladder, options, what)
    maps = [n for n in variables if n.startswith("synthesis/noise")]
    scopes = _scopes(ladder)
    shapes = _generator_shapes(variables, ladder, sizes)
    shapes |= {
        f"synthesis/noise{i}": (1, 1, ladder[i // 2], ladder[i // 2])
        for i in range(len(scopes) if maps else 0)
    }
    style_weights.check(variables, shapes, what)
    grown = _grown(lod, ladder, what)
    generator = StyleGenerator(**sizes, grown=grown, name="generator", dtype="float32")
    _fill_mapping(generator, variables, options.get("mapping_lrmul", 0.01))
    _fill_synthesis(generator, variables, options.get("fused_scale", "auto"))
    style_weights.put(generator.w_avg, variables["dlatent_avg"])
    told = style_weights.arguments({**sizes, "grown": grown})
    notes = [f"Recognised {network.name}: StyleGenerator({told})."]
    if maps:
        notes.append(
            f"{len(maps)} fixed noise maps (noise0, ...) were dropped: our generator "
            "takes noise as an input."
        )
    notes += _growth_note(lod, grown, ladder)
    notes += _truncation_notes(options, len(scopes))
    return generator, notes + unread


def _discriminator(
    path: Path, network: PickledNetwork
) -> tuple[StyleDiscriminator, Iterable[str]]:
    what = f"{path}, its discriminator {network.name!r}"
    options, unread = check_options(network, what)
    variables = dict(network.variables)
    lod = _take_lods(variables, ("lod",))
    ladder = _ladder(variables, "", "Conv0", what)
    widths = {
        side: style_weights.size(variables, f"{side}x{side}/Conv0/bias", 0, what)
        for side in ladder[1:]
    }
    widths[4] = style_weights.size(variables, "4x4/Conv/bias", 0, what)
    widths[2] = style_weights.size(variables, "4x4/Dense0/bias", 0, what)
    outputs = style_weights.size(variables, "4x4/Dense1/bias", 0, what)
    channels = style_weights.size(variables, "FromRGB_lod0/weight", 2, what)
    shapes = _discriminator_shapes(ladder, widths, channels, outputs)
    style_weights.check(variables, shapes, what)
    grown = max(8, _grown(lod, ladder, what))
    kept = {side: width for side, width in widths.items() if side <= grown}
    sizes = {
        "resolution": grown,
        "channels": channels,
        # One class has one score, as no class has.
        "label_size": outputs if outputs > 1 else int(options.get("label_size") == 1),
        **style_weights.channel_options(kept, options.get("fmap_base"), what),
        "group_size": options.get("mbstd_group_size", 4),
    }
    judge = StyleDiscriminator(**sizes, name="discriminator", dtype="float32")
    _fill_discriminator(judge, variables, ladder)
    told = style_weights.arguments(sizes)
    notes = [
        f"Recognised {network.name}: StyleDiscriminator({told}).",
        f"{network.name} uses minibatch statistics. Once exported, it scores each "
        "image on its own, as in a batch of one.",
    ]
    if grown < ladder[-1]:
        notes.append(
            f"{network.name} has grown to {grown} px (lod {lod:g}): blocks of higher "
            "resolution were dropped, and it takes images of that size."
        )
    return judge, notes + unread


def _take_lods(variables: dict[str, np.ndarray], names: Iterable[str]) -> float:
    """Removes the levels of detail; returns the first, 0 if there is none."""
    found = [variables.pop(name) for name in names if name in variables]
    return float(np.ravel(found[0])[0]) if found and np.size(found[0]) else 0.0


def _ladder(
    variables: Mapping[str, np.ndarray], prefix: str, layer: str, what: str
) -> list[int]:
    """Returns the sides of the blocks: 4, 8, ... up to the full resolution."""
    pattern = rf"{prefix}(\d+)x\d+/{layer}/weight$"
    sides = [4, *(s for s in style_weights.numbers(variables, pattern) if s != 4)]
    style_weights.check_blocks(len(sides), what)
    if len(sides) < 2 or sides != [4 << i for i in range(len(sides))]:
        raise UsageError(
            f"{what} has blocks of {listed(map(str, sides))} px. "
            "Allowed: 4, 8, 16, ... each once, two or more."
        )
    return sides


def _grown(lod: float, ladder: list[int], what: str) -> int:
    """Returns the highest resolution that is fully faded in."""
    if not 0 <= lod <= len(ladder) - 1:
        raise UsageError(
            f"{what} has a level of detail of lod={lod}. Allowed: 0 (fully grown) "
            f"to {len(ladder) - 1} (4 px)."
        )
    return ladder[-1 - math.ceil(lod)]


def _growth_note(lod: float, grown: int, ladder: list[int]) -> list[str]:
    if not lod:
        return []
    fading = ""
    if lod % 1:
        done = round(100 * (math.ceil(lod) - lod))
        fading = f" {2 * grown} px was {done}% faded in, which is dropped."
    return [
        f"Training has grown to {grown} of {ladder[-1]} px (lod {lod:g}). Images are "
        f"generated at {grown} px; the original enlarges them to {ladder[-1]} px."
        f"{fading}"
    ]


def _truncation_notes(options: Options, layers: int) -> list[str]:
    psi = options.get("truncation_psi", 0.7)
    cutoff = options.get("truncation_cutoff", _CUTOFF)
    truncated = cutoff if isinstance(cutoff, int) else 0
    notes = [
        f"The average w is the file's dlatent_avg. truncation_psi={psi} is the "
        "original's default; here psi is an input."
    ]
    if min(truncated, layers) != min(_CUTOFF, layers):
        notes.append(
            f"truncation_cutoff={cutoff} is ignored: the first {_CUTOFF} style layers "
            "are truncated. Images differ unless psi is 1."
        )
    return notes


def _scopes(ladder: list[int]) -> list[str]:
    """Returns where the variables of each style layer are."""
    scopes = ["4x4/Const", "4x4/Conv"]
    for side in ladder[1:]:
        scopes += [f"{side}x{side}/Conv0_up", f"{side}x{side}/Conv1"]
    return [f"synthesis/{scope}" for scope in scopes]


def _generator_sizes(
    variables: Mapping[str, np.ndarray], ladder: list[int], options: Options, what: str
) -> dict[str, Any]:
    """Recognises the arguments of `StyleGenerator`."""

    def size(name: str, axis: int) -> int:
        return style_weights.size(variables, name, axis, what)

    scopes = _scopes(ladder)
    widths = {
        side: size(f"{scopes[2 * i + 1]}/bias", 0) for i, side in enumerate(ladder)
    }
    embedding = "mapping/LabelConcat/weight"
    label_size = size(embedding, 0) if embedding in variables else 0
    inputs = size("mapping/Dense0/weight", 0)
    return {
        "resolution": ladder[-1],
        "channels": size("synthesis/ToRGB_lod0/bias", 0),
        "label_size": label_size,
        "latent_size": size(embedding, 1) if label_size else inputs,
        "w_size": size(f"{scopes[0]}/StyleMod/weight", 0),
        "mapping_layers": len(
            style_weights.numbers(variables, r"mapping/Dense(\d+)/weight$")
        ),
        **style_weights.channel_options(widths, options.get("fmap_base"), what),
    }


def _generator_shapes(
    variables: Mapping[str, np.ndarray], ladder: list[int], sizes: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    scopes, w_size = _scopes(ladder), sizes["w_size"]
    widths = [variables[f"{scope}/bias"].shape[0] for scope in scopes[1::2]]
    shapes: dict[str, tuple[int, ...]] = {"dlatent_avg": (w_size,)}
    shapes["synthesis/4x4/Const/const"] = (1, widths[0], 4, 4)
    for i, scope in enumerate(scopes):
        width = widths[i // 2]
        shapes[f"{scope}/Noise/weight"] = shapes[f"{scope}/bias"] = (width,)
        shapes[f"{scope}/StyleMod/weight"] = (w_size, 2 * width)
        shapes[f"{scope}/StyleMod/bias"] = (2 * width,)
        if i:
            shapes[f"{scope}/weight"] = (3, 3, widths[(i - 1) // 2], width)
    channels = sizes["channels"]
    for lod, width in enumerate(reversed(widths)):
        shapes[f"synthesis/ToRGB_lod{lod}/weight"] = (1, 1, width, channels)
        shapes[f"synthesis/ToRGB_lod{lod}/bias"] = (channels,)
    latent_size, label_size = sizes["latent_size"], sizes["label_size"]
    if label_size:
        shapes["mapping/LabelConcat/weight"] = (label_size, latent_size)
    inputs = 2 * latent_size if label_size else latent_size
    for i in range(sizes["mapping_layers"]):
        shapes[f"mapping/Dense{i}/weight"] = (w_size if i else inputs, w_size)
        shapes[f"mapping/Dense{i}/bias"] = (w_size,)
    return shapes


def _discriminator_shapes(
    ladder: list[int], widths: Mapping[int, int], channels: int, outputs: int
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(scope: str, *shape: int) -> None:
        shapes[f"{scope}/weight"] = shape
        shapes[f"{scope}/bias"] = shape[-1:]

    for lod, side in enumerate(reversed(ladder)):
        layer(f"FromRGB_lod{lod}", 1, 1, channels, widths[side])
    for below, side in itertools.pairwise(ladder):
        layer(f"{side}x{side}/Conv0", 3, 3, widths[side], widths[side])
        layer(f"{side}x{side}/Conv1_down", 3, 3, widths[side], widths[below])
    layer("4x4/Conv", 3, 3, widths[4] + 1, widths[4])
    layer("4x4/Dense0", 16 * widths[4], widths[2])
    layer("4x4/Dense1", widths[2], outputs)
    return shapes


def _fill_mapping(
    generator: StyleGenerator, variables: Mapping[str, np.ndarray], lrmul: float
) -> None:
    mapping = generator.mapping
    if mapping.label_embedding is not None:
        style_weights.put(
            mapping.label_embedding.kernel, variables["mapping/LabelConcat/weight"]
        )
    for i, dense in enumerate(mapping.denses):
        # The file's weights are divided by its own multiplier, ours by ours.
        scale = lrmul / dense.lr_multiplier
        for weight, name in ((dense.kernel, "weight"), (dense.bias, "bias")):
            style_weights.put(weight, variables[f"mapping/Dense{i}/{name}"] * scale)


def _fill_synthesis(
    generator: StyleGenerator, variables: Mapping[str, np.ndarray], fused: bool | str
) -> None:
    synthesis = generator.synthesis
    ladder = [4 << i for i in range(len(synthesis.to_rgbs))]
    const = variables["synthesis/4x4/Const/const"]
    style_weights.put(synthesis.constant.constant, const[0].transpose(1, 2, 0))
    for i, scope in enumerate(_scopes(ladder)):
        strengths = variables[f"{scope}/Noise/weight"]
        style_weights.put(synthesis.noises[i].scale, strengths)
        style_weights.put(synthesis.biases[i].bias, variables[f"{scope}/bias"])
        _fill_layer(synthesis.adains[i].affine, variables, f"{scope}/StyleMod")
        if i:
            kernel = variables[f"{scope}/weight"]
            is_fused = ladder[i // 2] >= _FUSED_FROM if fused == "auto" else fused
            # Merged with the doubling, the original runs the kernel backwards.
            flipped = i % 2 == 0 and is_fused
            kernel = kernel[::-1, ::-1] if flipped else kernel
            style_weights.put(synthesis.convs[i - 1].kernel, kernel)
    for lod, to_rgb in enumerate(reversed(synthesis.to_rgbs)):
        _fill_layer(to_rgb, variables, f"synthesis/ToRGB_lod{lod}")


def _fill_discriminator(
    judge: StyleDiscriminator, variables: Mapping[str, np.ndarray], ladder: list[int]
) -> None:
    for i, from_rgb in enumerate(judge.from_rgbs):
        _fill_layer(from_rgb, variables, f"FromRGB_lod{len(ladder) - 1 - i}")
    blocks = zip(ladder[1:], judge.convs, judge.down_convs, strict=False)
    for side, conv, down_conv in blocks:
        _fill_layer(conv, variables, f"{side}x{side}/Conv0")
        _fill_layer(down_conv, variables, f"{side}x{side}/Conv1_down")
    _fill_layer(judge.last_conv, variables, "4x4/Conv")
    _fill_layer(judge.last_dense, variables, "4x4/Dense0")
    _fill_layer(judge.score, variables, "4x4/Dense1")
    # Theirs takes the channels first, ours height and width.
    kernel = variables["4x4/Dense0/weight"]
    kernel = kernel.reshape(-1, 4, 4, kernel.shape[-1]).transpose(1, 2, 0, 3)
    style_weights.put(judge.last_dense.kernel, kernel.reshape(-1, kernel.shape[-1]))


def _fill_layer(
    layer: keras.Layer, variables: Mapping[str, np.ndarray], scope: str
) -> None:
    style_weights.put(layer.kernel, variables[f"{scope}/weight"])
    style_weights.put(layer.bias, variables[f"{scope}/bias"])
