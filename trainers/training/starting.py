"""Where a new run starts: from the networks of another one."""

from collections.abc import Mapping
from pathlib import Path

import keras

from tfgan_models.adversarial import GANModel
from tfgan_models.errors import UsageError
from tfgan_models.folders.contents import few
from tfgan_models.runs import checkpoints, opening
from tfgan_models.runs.description import leaves


def init_from(model: GANModel, where: Path) -> list[str]:
    """Copies the networks of another run, wherever names and shapes match.

    Generators are the ones it exports: the averaged ones, if it has any.

    Args:
        model: The model to train, compiled.
        where: The other run's folder, an exported .keras file, or a file of another
            project's weights; files have no discriminators.

    Returns:
        What was copied and what was not, one line per network.

    Raises:
        UsageError: There is no such run or file, or nothing in it fits.
        FailureError: None of its checkpoints could be read.
    """
    generators, discriminators = _networks(where)
    names = {
        name: next((n for n in model.source_names(name) if n in generators), name)
        for name in model.generators
    }
    if len(generators) == 1 and not generators.keys() & names.values():
        names[next(iter(names))] = next(iter(generators))
    sources = {k: generators[n] for k, n in names.items() if n in generators}
    for name, source in sources.items():
        _check_kernels(where, source, model.generators[name])
    _copy("", sources, model.ema_generators)
    taken = _copy("generator ", sources, model.generators)
    taken |= _copy("discriminator ", discriminators, model.discriminators)
    if not any(count for count, _ in taken.values()):
        raise UsageError(
            f"--init_from={where} has nothing that fits: it holds "
            f"{', '.join([*generators, *discriminators])}, and the networks to train "
            f"are {', '.join(taken)}. Give a run of the same system and widths."
        )
    others = {f"generator {k}": f" of {n}" for k, n in names.items() if n != k}
    return [
        f"{name}: {_told(*result)}{others.get(name, '')}"
        for name, result in taken.items()
    ]


def _networks(
    where: Path,
) -> tuple[Mapping[str, keras.Model], Mapping[str, keras.Model]]:
    """The generators and discriminators of a run or a file."""
    if opening.is_training(where) or not opening.is_model(where):
        return checkpoints.load_all(where)
    found = opening.find(where)
    if found.loaded is not None:
        raise UsageError(
            f"--init_from={where} is a SavedModel, which contains no Keras model. Give "
            "the .keras file next to it, or the run's --model_dir."
        )
    return found.networks, {}


def _check_kernels(where: Path, source: keras.Model, target: keras.Model) -> None:
    """Refuses kernels that are stored scaled where the target scales them itself."""
    is_plain = type(source).__module__.startswith("keras.")
    if is_plain and any(hasattr(layer, "scaled_kernel") for layer in leaves(target)):
        raise UsageError(
            f"--init_from={where} contains the scaled kernels of an export, and this "
            "system's layers scale theirs themselves. Give the run's --model_dir."
        )


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
