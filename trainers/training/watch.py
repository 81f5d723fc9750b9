"""Metrics during training: logged, the best checkpoint kept, early stopping."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tfgan_models.adversarial import GANModel
from tfgan_models.metrics.extractors import Extractor
from tfgan_models.metrics.spec import Spec, is_higher_better
from tfgan_models.runs import checkpoints, run_log
from trainers.evaluation import measurement
from trainers.evaluation.feature_cache import FeatureCache, default_directory
from trainers.training.callbacks import Logs, save_model
from trainers.training.describing import Describer
from trainers.training.extras import Extras


@dataclasses.dataclass(frozen=True)
class Metrics:
    """What to compute while training.

    Args:
        specs: The metrics; the first one decides which checkpoint is best.
        extractors: By the names used in the specs.
        early_stop: Evaluations without a new best after which training ends; 0: it
            continues.
    """

    specs: Sequence[Spec]
    extractors: Mapping[str, Extractor]
    early_stop: int = 0


class QualityWatch(keras.callbacks.Callback):
    """Computes metrics at regular intervals and keeps the best checkpoint.

    They go to `<model_dir>/metrics.jsonl` and to TensorBoard. If a model has
    several tasks, such as two directions of translation, the mean of the first metric
    over them decides.

    Args:
        extras: Writes them; the best checkpoint is in `best` of its folder.
        tasks: What the current weights are evaluated on.
        metrics: The metrics.
        every: Steps between two evaluations.
        step: The step at which this run starts.
        seed: For subsets, pairs and paths.
        describer: Receives them too.
    """

    def __init__(
        self,
        extras: Extras,
        tasks: Callable[[GANModel], list[measurement.Task]],
        metrics: Metrics,
        every: int,
        step: int,
        seed: int,
        describer: Describer,
    ) -> None:
        super().__init__()
        self.describer = describer
        self.extras = extras
        self.tasks = tasks
        self.metrics = metrics
        self.every = every
        self.step = step
        self.seed = seed
        self.directory = checkpoints.folder(extras.model_dir, "best")
        first = metrics.specs[0]
        extractor = metrics.extractors.get(first.extractor or "")
        self.name = first.names(extractor.name if extractor else None)[0]
        self._features = FeatureCache(default_directory())
        measured = {
            entry.step: value
            for entry in run_log.read(extras.model_dir)
            if (value := decisive(entry.values, self.name)) is not None
        }
        self.best, self.since = self._of_before(measured)
        self._evaluated = step if step in measured else None

    def _of_before(self, measured: Mapping[int, float]) -> tuple[float | None, int]:
        """The best value of a resumed run, and evaluations since."""
        kept = checkpoints.steps(self.directory)
        if not kept or kept[-1] not in measured:
            return None, 0
        since = sum(kept[-1] < step <= self.step for step in measured)
        return measured[kept[-1]], since

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Evaluates when it is due; asks `fit` to stop if nothing improves."""
        self.step += 1
        if self.step % self.every == 0:
            self.evaluate()
            self.model.stop_training |= self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it has been long enough since the best value."""
        return 0 < self.metrics.early_stop <= self.since

    def evaluate(self) -> None:
        """Computes the metrics of the current weights, once per step.

        Raises:
            FailureError: The best checkpoint could not be written.
        """
        if self._evaluated == self.step:
            return
        self._evaluated = self.step
        values, about = {}, {}
        for task in self.tasks(self.model):
            for result in measurement.measure(
                task,
                self.metrics.specs,
                self.metrics.extractors,
                self.seed,
                self._features,
            ):
                name = f"{result.name}/{task.name}"
                values[name], about[name] = result.value, result.about
        # The log first: a best checkpoint whose value is unknown could be lost to a
        # worse one after a kill between the two.
        self.extras.scalars(self.step, values, about, group="metrics/")
        self.describer.measured("last", self.step, values)
        self._judge(values)
        self.describer.write(self.step, self.model)

    def _judge(self, values: Mapping[str, float]) -> None:
        value = decisive(values, self.name)
        if value is None:
            return
        better = self.best is None or (
            value > self.best if is_higher_better(self.name) else value < self.best
        )
        if not better:
            self.since += 1
            return
        self.describer.measured("best", self.step, values)
        said = self.describer.at(self.step, self.model)
        save_model(self.directory, self.step, self.model, said, kept=1)
        self.best, self.since = value, 0


def decisive(values: Mapping[str, float], name: str) -> float | None:
    """Returns the mean of a metric over tasks; None if there is none."""
    found = [value for key, value in values.items() if key.split("/")[0] == name]
    return float(np.mean(found)) if found else None
