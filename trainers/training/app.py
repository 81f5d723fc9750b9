"""What every trainer shares: flags, recipe, strategy, fit, checkpoints, export.

flags -> recipe -> data -> strategy -> fit -> checkpoint -> export
"""

import contextlib
import functools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from export import command
from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from trainers.training import data_record, folder_lock, machine, run_folder
from trainers.training import recipe as recipes
from trainers.training.trainer import M, R, S
from trainers.training.trainer import Trainer as Trainer

if TYPE_CHECKING:
    import tensorflow as tf

    from trainers.training import watch

_FLAGS = flags.FLAGS


def run(trainer: Trainer[R, S, M]) -> None:
    """Runs a trainer as a command: defines its flags, parses them, trains."""
    define_flags(trainer)
    for module in (__name__, recipes.__name__):
        for flag in _FLAGS.flags_by_module_dict()[module]:
            # For --help, which shows what the program's own file defines.
            _FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    command.run(functools.partial(main, trainer))


def define_flags(trainer: Trainer[R, S, M]) -> None:
    """Defines the trainer's flags: the recipe's, and those of the run."""
    recipes.define_flags(type(trainer.presets["paper"]))
    flags.DEFINE_enum(
        "preset",
        None,
        list(trainer.presets),
        "Where the recipe starts from. Default: paper with a GPU, else cpu.",
    )
    flags.DEFINE_string(
        "model_dir",
        None,
        "Directory for checkpoints, samples and logs; a run found there is resumed. "
        f"Default: runs/{trainer.name}-<dataset>.",
    )
    flags.DEFINE_string("data_dir", None, "Directory for TFDS's prepared data sets.")
    flags.DEFINE_enum(
        "strategy",
        None,
        ["one_device", "mirrored", "multi_worker_mirrored"],
        "The tf.distribute strategy; TF_CONFIG describes the workers. "
        "Default: mirrored with several devices.",
    )
    flags.DEFINE_integer(
        "virtual_devices", 1, "Logical CPUs, to try replicas without GPUs."
    )
    flags.DEFINE_integer(
        "checkpoint_every", 1000, "Steps between checkpoints.", lower_bound=1
    )
    flags.DEFINE_integer(
        "eval_every",
        500,
        "Steps between sample grids, and between evaluations of --metrics.",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "metrics",
        "",
        "Metrics to compute while training, for example kid5k_lite0,ssim. The "
        "checkpoint that is best by the first is kept too.",
    )
    flags.DEFINE_integer(
        "early_stop",
        0,
        "Stop after this many evaluations without an improvement; 0: never.",
        lower_bound=0,
    )
    flags.DEFINE_string(
        "inception_weights",
        None,
        "InceptionV3 weights, a Keras or PyTorch file. Default: those of "
        "keras.applications.",
    )
    flags.DEFINE_float(
        "max_minutes",
        None,
        "Stop after this many minutes of training, with a checkpoint.",
        lower_bound=0.0,
    )
    flags.DEFINE_string(
        "export_dir", None, "Export to this directory at the end of training."
    )
    flags.DEFINE_string(
        "init_from",
        None,
        "Another run's --model_dir, an exported .keras file or another project's "
        "weights: a new run starts from these networks, wherever names and shapes "
        "match.",
    )
    flags.DEFINE_string(
        "description",
        None,
        "Description of the model, for its model.json. Default: the previous one.",
    )
    flags.DEFINE_string(
        "license",
        None,
        "License of the model, for its model.json. Default: the previous one.",
    )
    flags.DEFINE_bool(
        "fresh", False, "Start from scratch: what is in --model_dir is moved aside."
    )
    flags.DEFINE_bool(
        "change",
        False,
        "Resume even though the data set has changed, or with other loss weights and "
        "learning rates.",
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Print the resolved recipe and what the data set's folder holds, and exit.",
    )


def main(trainer: Trainer[R, S, M], argv: Sequence[str] = ()) -> None:
    """Trains with the parsed flags.

    Args:
        trainer: The paper's.
        argv: The program; it takes flags only.

    Raises:
        UsageError: The flags are not valid.
        FailureError: The training failed.
    """
    machine.check_virtual_devices(_FLAGS.virtual_devices)
    replicas = _FLAGS.virtual_devices
    several = _FLAGS.strategy == "multi_worker_mirrored"
    if machine.may_have_gpu() or several or not _FLAGS.dry_run:
        command.quiet_tensorflow()
        from trainers.training import devices

        strategy = devices.make_strategy(_FLAGS.strategy, replicas)
        replicas = strategy.num_replicas_in_sync
    recipe, model_dir = _recipe(trainer)
    machine.check_batch(recipe.batch_size, replicas)
    if not _FLAGS.dry_run:
        _train(trainer, recipe, model_dir, strategy)
    elif path := layouts.of_name(recipe.dataset):
        print(*trainer.layout(path).lines(), sep="\n", file=sys.stderr)


def _recipe(trainer: Trainer[R, S, M]) -> tuple[R, Path]:
    """The recipe to train with, which is printed, and the run's folder."""
    preset, why = _preset()
    start = trainer.presets[preset]
    values = recipes.given(type(start))
    dataset = values.get("dataset", start.dataset)
    given = _FLAGS.model_dir or run_folder.default(trainer.name, dataset)
    model_dir = Path(given).expanduser()
    of_preset = recipe = recipes.resolve(start, values)
    saved = recipes.parsed(recipes.read(model_dir), trainer.name, type(start))
    # A preset that is given must be the one that the run started with.
    is_asked = saved in (of_preset, recipes.replaced(start, values))
    if saved and not _FLAGS.fresh and (is_asked or not _FLAGS.preset):
        recipe = recipes.going_on(saved, values)
    recipes.check(recipe)
    if trainer.check:
        trainer.check(recipe)
    size, full = recipe.image_size, trainer.presets["paper"].image_size
    told = why.format(size=size, full=full)
    if other := recipes.unlike(recipe, of_preset):
        told = (
            f"Resuming with the recipe in {model_dir}; unlike the {preset} preset: "
            f"{other}"
        )
    # A dry run's output is JSON and nothing else.
    print(told, file=sys.stderr if _FLAGS.dry_run else sys.stdout)
    print(recipes.shown(trainer.name, None if other else preset, recipe), flush=True)
    return recipe, model_dir


def _train(
    trainer: Trainer[R, S, M],
    recipe: R,
    model_dir: Path,
    strategy: "tf.distribute.Strategy",
) -> None:
    from trainers.training import devices, loop

    worker = devices.worker(strategy)
    metrics = _metrics(strategy)
    data = trainer.load_data(recipe, _FLAGS.data_dir)
    if worker == 0 and data.contents:
        print(*data.contents.lines(), sep="\n", flush=True)
    with contextlib.ExitStack() as stack:
        if worker == 0:
            run_folder.make(model_dir, _FLAGS.fresh)
            stack.enter_context(folder_lock.held(model_dir))
        if devices.workers(strategy) > 1:
            devices.everyones([worker], strategy)  # the chief comes first
        record = data_record.record(recipe.dataset, data)
        run_folder.check(model_dir, trainer, recipe, data, record, _FLAGS.change)
        outcome = loop.train(
            trainer,
            recipe,
            data,
            strategy,
            model_dir,
            loop.Cadence(
                _FLAGS.checkpoint_every, _FLAGS.eval_every, _FLAGS.max_minutes
            ),
            metrics,
            record,
            Path(_FLAGS.init_from).expanduser() if _FLAGS.init_from else None,
            command.given("description", "license"),
        )
    if outcome.stopped_by is not None:
        print(f"Stopped at step {outcome.step}; run again to resume.", flush=True)
        sys.exit(128 + outcome.stopped_by)
    if worker == 0:
        if _FLAGS.export_dir:
            from export import saved_model

            for path in saved_model.export_networks(
                outcome.model.exported_networks,
                Path(_FLAGS.export_dir),
                model_dir.name,
                description=outcome.description,
            ):
                print(f"Exported {path}", flush=True)
        print(closing(trainer, outcome.step, model_dir, _FLAGS.export_dir), flush=True)


def closing(
    trainer: Trainer[R, S, M], step: int, model_dir: Path, export_dir: str | None
) -> str:
    """Returns the last lines of a run: what was written, and what to do with it.

    Args:
        trainer: The system.
        step: The last step.
        model_dir: The run's folder.
        export_dir: Where it was exported, if it was.
    """
    run = shlex.quote(str(model_dir))
    commands = [
        f"export.serve --model_base={shlex.quote(export_dir)}"
        if export_dir
        else f"export.saved_model --model_dir={run} --export_dir=models",
        f"trainers.evaluate --model={run}",
    ]
    if trainer.generate:
        commands.insert(0, f"trainers.generate {trainer.generate} --model={run}")
    return "\n  python -m ".join(
        [
            f"Trained to step {step}. {model_dir} holds checkpoints, sample images, "
            "metrics.jsonl and logs for TensorBoard. Next:",
            *commands,
        ]
    )


def _preset() -> tuple[str, str]:
    """The name of the preset, and the line that explains it."""
    if _FLAGS.preset:
        return _FLAGS.preset, f"The {_FLAGS.preset} recipe, {{size}} px."
    if machine.has_gpu():
        return "paper", (
            "GPU found: the paper's recipe, {size} px; --preset=cpu for a small one."
        )
    return "cpu", (
        "No GPU: the small cpu recipe, {size} px; --preset=paper for the full one, "
        "{full} px."
    )


def _metrics(strategy: "tf.distribute.Strategy") -> "watch.Metrics | None":
    """What to compute while training, or None."""
    from tfgan_models.metrics import spec
    from trainers.evaluation import measurement
    from trainers.training import devices, watch

    specs = spec.parse_list(_FLAGS.metrics)
    if not specs:
        if _FLAGS.early_stop:
            raise UsageError(
                f"--early_stop={_FLAGS.early_stop} needs a metric. Give one, "
                "for example --metrics=kid_lite0."
            )
        return None
    if _FLAGS.early_stop and devices.workers(strategy) > 1:
        raise UsageError(
            f"--early_stop={_FLAGS.early_stop} works with one worker only: the metrics "
            "are computed by the first of several. Omit it."
        )
    extractors = measurement.extractors_of(specs, _FLAGS.inception_weights)
    return watch.Metrics(specs, extractors, _FLAGS.early_stop)
