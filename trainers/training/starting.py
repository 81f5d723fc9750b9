"""Where a new run starts: from the networks of another one."""

from collections.abc import Mapping
from pathlib import Path

import keras

from tfgan_models.adversarial import GANModel
from tfgan_models.errors import UsageError
from tfgan_models.folders.contents import few
from tfgan_models.runs import checkpoints


def init_from(model: GANModel, model_dir: Path) -> list[str]:
    """Copies the networks of another run, wherever names and shapes match.

    Generators are the ones it exports: the averaged ones, if it has any.

    Args:
        model: The model to train, compiled.
        model_dir: The other run's folder.

    Returns:
        What was copied and what was not, one line per network.

    Raises:
        UsageError: There is no such run, or nothing in it fits.
        FailureError: None of its checkpoints could be read.
    """
    generators, discriminators = checkpoints.load_all(model_dir)
    names = {
        name: next((n for n in model.source_names(name) if n in generators), name)
        for name in model.generators
    }
    sources = {k: generators[n] for k, n in names.items() if n in generators}
    _copy("", sources, model.ema_generators)
    taken = _copy("generator ", sources, model.generators)
    taken |= _copy("discriminator ", discriminators, model.discriminators)
    if not any(count for count, _ in taken.values()):
        raise UsageError(
            f"--init_from={model_dir} has nothing that fits: it holds "
            f"{', '.join([*generators, *discriminators])}, and the networks to train "
            f"are {', '.join(taken)}. Give a run of the same system and widths."
        )
    others = {f"generator {k}": f" of {n}" for k, n in names.items() if n != k}
    return [
        f"{name}: {_told(*result)}{others.get(name, '')}"
        for name, result in taken.items()
    ]


def _copy(
    kind: str, sources: Mapping[str, keras.Model], targets: Mapping[str, keras.Model]
) -> dict[str, tuple[int, list[str]]]:
    """The number of weights copied to each target, and the names of the others."""
    results = {}
    for name, target in targets.items():
        source = {v.path: v for v in sources[name].variables} if name in sources else {}
        left = []
        for variable in target.variables:
            other = source.get(variable.path)
            if other is not None and other.shape == variable.shape:
                variable.assign(other)
            else:
                left.append(variable.path)
        results[kind + name] = (len(target.variables) - len(left), left)
    return results


def _told(count: int, left: list[str]) -> str:
    if not left:
        return f"all {count} weights"
    return f"{count} of {count + len(left)} weights; new: {few(left, 3)}"
