"""From a recipe and its data to a trained model, resumed from its checkpoint."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from tfgan_models import growth
from tfgan_models.adversarial import GANModel
from tfgan_models.data.pipeline import Share
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import checkpoints
from tfgan_models.runs.description import Description
from trainers.evaluation import measurement
from trainers.training import (
    data_record,
    describing,
    devices,
    extras,
    progress,
    resuming,
    starting,
    watch,
)
from trainers.training import recipe as recipes
from trainers.training.callbacks import (
    Checkpoints,
    Progress,
    StopAtTime,
    StopOnNonFinite,
    StopOnSignal,
    described,
)
from trainers.training.recipe import Recipe, Span
from trainers.training.trainer import M, R, S, Trainer

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How often a run writes, and how long it may take.

    Args:
        checkpoint_every: Steps between checkpoints.
        eval_every: Steps between sample grids, and between evaluations.
        max_minutes: Maximum minutes of training; None: no limit.
    """

    checkpoint_every: int
    eval_every: int
    max_minutes: float | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a training run.

    Args:
        model: The model, at `step`.
        step: The step reached.
        stopped_by: The number of the signal that ended it early, or None.
        description: What the model is.
    """

    model: GANModel
    step: int
    stopped_by: int | None
    description: Description


def train(
    trainer: Trainer[R, S, M],
    recipe: R,
    data: S,
    strategy: tf.distribute.Strategy,
    model_dir: Path,
    cadence: Cadence,
    metrics: watch.Metrics | None = None,
    record: data_record.Record | None = None,
    init_from: Path | None = None,
    words: Mapping[str, str] | None = None,
) -> Outcome:
    """Trains to the recipe's last step, from the newest checkpoint in `model_dir`.

    Args:
        trainer: The paper's.
        recipe: Its numbers.
        data: What `trainer.load_data` returned.
        strategy: Where the replicas are.
        model_dir: Where everything is written.
        cadence: How often to write.
        metrics: What to compute every `cadence.eval_every` steps; None: nothing.
        record: What the data set holds, to be kept; None: nothing is.
        init_from: The folder of a run whose networks a new one starts from.
        words: The model's `license` and `description`, if given.

    Returns:
        The outcome; a checkpoint of it has been written.

    Raises:
        FailureError: A loss or weight became NaN or infinite, no checkpoint could be
            read, or one could not be written; the workers have none in common, or one
            of them is gone.
        UsageError: The recipe's numbers are inconsistent, or a metric cannot be
            computed for this model and data set.
    """
    devices.set_precision(recipe.mixed_precision)
    keras.utils.set_random_seed(recipe.seed)
    spans = trainer.plan(data, recipe)
    total = spans[-1].end_step
    complete = trainer.completed(data, recipe) if trainer.completed else recipe
    try:
        with strategy.scope():
            model = trainer.build_model(recipes.in_steps(complete, total))
    except ValueError as error:  # numbers that its networks and optimizers refuse
        raise UsageError(str(error)) from error

    worker = devices.worker(strategy)
    directory = checkpoints.folder(model_dir)
    written = None
    if worker:
        directory /= f"worker_{worker}"
    else:
        # Not before: a saved recipe that is invalid would prevent its correction.
        _describe(model_dir, model, trainer.name, recipe, record)
        written = extras.Extras(model_dir)
    rates = _constant_rates(model)
    start = resuming.restore(directory, model.training_state(), strategy)
    for optimizer, rate in rates:
        optimizer.learning_rate = rate  # as the recipe has it, not the checkpoint
    if init_from and not start:
        for line in starting.init_from(model, init_from):
            progress.say(f"From {init_from}: {line}")
    model.begin(start)  # also if nothing is left to train
    if start >= total:
        progress.say(
            f"Nothing is left to train: {model_dir} is at step {start}, and the recipe "
            f"ends at step {total}."
        )
    elif start:
        rate = _rate(model.generator_optimizer)
        progress.say(
            f"Resuming {model_dir} at step {start} of {total}, at a learning rate of "
            f"{rate:.3g}"
        )

    def images_at(step: int) -> int:
        return growth.at_step(spans, step).images_at(step)

    given = dict(words or {})
    if init_from and not start:
        given["parent"] = str(init_from)
    goes_on = checkpoints.place(directory, start) if start else None
    said = describing.begun(model_dir, goes_on, trainer.name, recipe, data, given)
    describer = describing.Describer(said, images_at, written)
    describer.begin(start, model)
    saver = Checkpoints(directory, cadence.checkpoint_every, start, describer)
    stop = StopOnSignal()
    callbacks: list[keras.callbacks.Callback] = [StopOnNonFinite(saver)]
    if written:
        callbacks.append(
            Progress(
                written,
                lambda m: trainer.samples(m, data, recipe),
                cadence.eval_every,
                start,
                images_at,
                {span.end_step for span in spans},
                functools.partial(trainer.reals, data, recipe)
                if trainer.reals
                else None,
            )
        )
    callbacks += [saver, stop]
    quality = None
    if metrics and written:
        quality = _watch(
            trainer, recipe, data, model, written, metrics, cadence, start, describer
        )
        callbacks.append(quality)
    if cadence.max_minutes is not None:
        callbacks.append(StopAtTime(60 * cadence.max_minutes))

    def batches(step: int) -> tf.distribute.DistributedDataset:
        return strategy.distribute_datasets_from_function(
            lambda context: _share(
                trainer, recipe, data, step, growth.at_step(spans, step), context
            )
        )

    shown = progress.Steps(total, start) if worker == 0 and start < total else None
    if shown:
        callbacks.insert(0, shown)
    try:
        for place, span in enumerate(spans, 1):
            first = max(start, span.first_step)
            if first < span.end_step and not model.stop_training:
                model.begin(first)
                if shown and model.train_function is None:
                    stage = f" of stage {place} of {len(spans)}" * (len(spans) > 1)
                    progress.say(
                        f"Building the graph{stage}: the first step takes longest, "
                        "minutes for large networks."
                    )
                _fit(model, batches, first, span, callbacks)
        saver.save()
        if quality and stop.received is None:
            quality.evaluate()
    except _LOST as error:
        if devices.workers(strategy) == 1:
            raise
        raise FailureError(
            f"Another worker is gone (noticed after step {saver.step}). Restart all: "
            "they resume from the newest step that all of them have."
        ) from error
    finally:
        stop.restore_handlers()
        if shown:
            shown.close()
    if saver.step < total and stop.received is None:
        reason = "Time is up"
        if quality is not None and quality.is_over:
            reason = f"No better {quality.name}"
        progress.say(f"{reason} at step {saver.step} of {total}")
    said = describer.at(saver.step, model)
    return Outcome(model, saver.step, stop.received, said)


def _watch(
    trainer: Trainer[R, S, M],
    recipe: R,
    data: S,
    model: GANModel,
    written: extras.Extras,
    metrics: watch.Metrics,
    cadence: Cadence,
    start: int,
    describer: describing.Describer,
) -> watch.QualityWatch:
    """The callback that computes `metrics`, all of which apply to the model's tasks."""

    def tasks(model: GANModel) -> list[measurement.Task]:
        return trainer.tasks(model.exported_networks, data, recipe)

    measurement.check(tasks(model), metrics.specs, recipe.dataset)
    quality = watch.QualityWatch(
        written, tasks, metrics, cadence.eval_every, start, recipe.seed, describer
    )
    quality.set_model(model)  # `fit` does not, if nothing is left to train
    return quality


def _rate(optimizer: keras.optimizers.Optimizer) -> float:
    """The rate of the next step; a number is a variable, on each replica."""
    return float(optimizer.learning_rate.numpy())


def _constant_rates(model: GANModel) -> list[tuple[keras.optimizers.Optimizer, float]]:
    """The optimizers with a fixed rate, which checkpoints hold, and the rate."""
    optimizers = [
        getattr(optimizer, "inner_optimizer", optimizer)  # of those that scale losses
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer)
    ]
    rates = [optimizer.get_config()["learning_rate"] for optimizer in optimizers]
    return [
        (optimizer, rate)
        for optimizer, rate in zip(optimizers, rates, strict=True)
        if isinstance(rate, float)
    ]


def _describe(
    model_dir: Path,
    model: GANModel,
    name: str,
    recipe: Recipe,
    record: data_record.Record | None,
) -> None:
    """Writes what makes `model_dir` a run's folder, and what it resumes from."""
    try:
        recipes.save(model_dir, name, recipe)
        if record is not None:
            data_record.save(model_dir, record)
        checkpoints.describe_networks(model_dir, *described(model))
    except OSError as error:
        raise FailureError(
            f"{model_dir} cannot be written: {error.strerror}. Free some space, or "
            "give another --model_dir."
        ) from error


def _share(
    trainer: Trainer[R, S, M],
    recipe: R,
    data: S,
    step: int,
    span: Span,
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    """This worker's part of each global batch from `step` on, for its replicas."""
    share = Share(
        batch_size=span.batch_size,
        seed=recipe.seed,
        worker=context.input_pipeline_id,
        workers=context.num_input_pipelines,
    )
    batches = trainer.batches(data, recipe, step, share)
    if context.num_replicas_in_sync == context.num_input_pipelines:
        return batches
    size = context.get_per_replica_batch_size(span.batch_size)
    return batches.rebatch(size, drop_remainder=True)


def _fit(
    model: GANModel,
    batches: Callable[[int], tf.distribute.DistributedDataset],
    start: int,
    span: Span,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Calls `fit` to the span's end: the epoch in progress, whole ones, the rest."""
    step = start
    while step < span.end_step and not model.stop_training:
        epoch, done = divmod(step - span.first_step, span.epoch)
        left = span.end_step - step
        if done or left < span.epoch:
            epochs, steps = 1, min(span.epoch - done, left)
        else:
            epochs, steps = left // span.epoch, span.epoch
        model.fit(
            batches(step),  # each call of fit restarts its data
            initial_epoch=epoch,
            epochs=epoch + epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,  # the pipeline has done it
            verbose=0,  # Keras's bar is of an epoch
        )
        step += epochs * steps
