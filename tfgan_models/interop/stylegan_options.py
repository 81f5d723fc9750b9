"""The options that a network of NVlabs/stylegan was built with."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from tfgan_models.errors import UsageError
from tfgan_models.interop.dnnlib_file import PickledNetwork

Options: TypeAlias = dict[str, Any]

_NEEDED: Mapping[str, tuple[object, ...]] = {
    "blur_filter": ([1, 2, 1],),
    "const_input_layer": (True,),
    "fmap_decay": (1.0,),
    "fused_scale": ("auto", True, False),
    "mapping_nonlinearity": ("lrelu",),
    "mbstd_num_features": (1,),
    "nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "structure": ("auto", "linear", "recursive"),
    "use_instance_norm": (True,),
    "use_noise": (True,),
    "use_pixel_norm": (False,),
    "use_styles": (True,),
    "use_wscale": (True,),
}
"""Option -> what it may be, the original's default first."""

_WITHOUT_EFFECT = frozenset(
    (
        "dlatent_avg_beta",
        "dlatent_broadcast",
        "dlatent_size",
        "dtype",
        "fmap_base",
        "fmap_max",
        "force_clean_graph",
        "is_template_graph",
        "is_training",
        "is_validation",
        "label_size",
        "latent_size",
        "mapping_fmaps",
        "mapping_layers",
        "mapping_lrmul",
        "mbstd_group_size",
        "num_channels",
        "randomize_noise",
        "resolution",
        "style_mixing_prob",
        "truncation_cutoff",
        "truncation_cutoff_val",
        "truncation_psi",
        "truncation_psi_val",
    )
)
"""Options of training, and those that are read from tensors or passed on."""


def check_options(network: PickledNetwork, what: str) -> tuple[Options, list[str]]:
    """Collects a network's options; those of its parts go before its own.

    Args:
        network: From `dnnlib_file.read`.
        what: What the file was taken for, for messages.

    Returns:
        The options, and notes on unknown ones.

    Raises:
        UsageError: An option changes what is computed, and our networks do not
            support it.
    """
    options = dict(network.static_kwargs)
    for component in network.components.values():
        options |= component.static_kwargs
    refused = [
        f"{name}={options[name]!r} (only {' or '.join(map(repr, allowed))})"
        for name, allowed in _NEEDED.items()
        if name in options and _plain(options[name]) not in allowed
    ]
    group = options.get("mbstd_group_size", 4)
    if not isinstance(group, int) or group < 2:
        refused.append(f"mbstd_group_size={group!r} (only 2 or more)")
    lrmul = options.get("mapping_lrmul", 0.01)
    if not isinstance(lrmul, float | int) or not lrmul > 0:
        refused.append(f"mapping_lrmul={lrmul!r} (only numbers above 0)")
    if refused:
        raise UsageError(
            f"{what} was built with options that cannot be converted: "
            f"{', '.join(refused)}."
        )
    unread = sorted(options.keys() - _NEEDED.keys() - _WITHOUT_EFFECT)
    if not unread:
        return options, []
    told = ", ".join(f"{name}={options[name]!r}" for name in unread)
    return options, [
        f"{network.name} has options that NVlabs/stylegan does not, which were "
        f"ignored: {told}."
    ]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
