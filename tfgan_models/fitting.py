"""How Keras fits, evaluates, exports and saves a model trained by steps."""

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from tfgan_models import batches

Logs: TypeAlias = dict[str, tf.Tensor]
TrainFunction: TypeAlias = Callable[[Iterator[Any]], Logs]


class SteppedModel(keras.Model):
    """A `keras.Model` that declares its batches, under any strategy.

    A subclass has `batch_spec`, `train_step`, `test_losses` and `loss_metrics`.
    """

    train_function: TrainFunction | None
    test_function: TrainFunction | None

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """Definition of a batch: its parts by name, in order; see `batches`."""
        return {}

    @property
    def default_batch_size(self) -> int | None:
        """Batch size that `fit` uses for arrays; None: Keras's 32."""
        return None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains; see `keras.Model.fit`. The first batch is checked first.

        Args:
            x: Batches: a `tf.data.Dataset`, or another source that Keras takes, of
                dicts, tuples or tensors as `batch_spec` has them. Or arrays: one, a
                list, tuple or dict of them, or the first of two.
            y: The second of two arrays.
            batch_size: For arrays, over all replicas. They are reshuffled every
                epoch; leftover images at its end are dropped.
            epochs: Number of epochs.
            **kwargs: Those of `keras.Model.fit`.

        Raises:
            ValueError: The batches are not as `batch_spec` has them, or have images
                outside [-1, 1].
        """
        self._check(x, y)
        if kwargs.get("validation_data") is not None:
            self._check(*batches.x_and_y(kwargs["validation_data"]))
        if batches.is_arrays(x):
            held = kwargs.pop("validation_split", 0.0)
            if held:
                (x, y), kwargs["validation_data"] = batches.split((x, y), held)
            x = batches.dataset(
                x,
                y,
                batch_size or self.default_batch_size,
                self.distribute_strategy.num_replicas_in_sync,
                kwargs.pop("shuffle", True),
                self.seed,
            )
            kwargs.setdefault("validation_batch_size", batch_size)
            y = batch_size = None
        # Keras would warn that it cannot shuffle a data set.
        kwargs["shuffle"] = False
        return super().fit(x, y, batch_size, epochs=epochs, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures `test_losses`; see `keras.Model.evaluate` and `fit`."""
        if not kwargs.get(
            "_use_cached_eval_dataset"
        ):  # Otherwise `fit` has checked it.
            self._check(x, y)
        if self.train_function is None:
            self.test_function = None  # A stage may have started since it was traced.
        return super().evaluate(x, y, *args, **kwargs)

    def _check(self, x: Any, y: Any) -> None:
        batches.check_first(x, y, self.batch_spec, type(self).__name__)

    def test_losses(self, data: dict[str, tf.Tensor]) -> Logs:
        """Returns losses of the exported networks, and updates nothing.

        Args:
            data: This replica's part of the batch.

        Returns:
            Means over its images, by names in `loss_names`; lower is better for all.
        """
        raise NotImplementedError(f"{type(self).__name__} has no test_losses")

    def test_step(self, data: dict[str, tf.Tensor]) -> Logs:
        """Adds a batch's `test_losses` to the means that `evaluate` returns."""
        found = self.test_losses(data)
        count = tf.cast(tf.shape(next(iter(data.values())))[0], tf.float32)
        for metric in self.loss_metrics:
            if metric.name in found:
                # The last batch may have no images for this replica.
                value = tf.where(count > 0, found[metric.name], 0.0)
                metric.update_state(value, sample_weight=count)
        return found

    @property
    def call_spec(self) -> Any:
        """The model's input: tensor specs, in their structure."""
        raise NotImplementedError(f"{type(self).__name__} has no call_spec")

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes `predict` for serving; see `keras.Model.export`.

        What `export.saved_model` writes has more: signatures for files, seeds and
        captions, and inputs of any size.

        Args:
            filepath: Path of the artifact.
            format: One of Keras's formats.
            verbose: Whether to print what was written.
            input_signature: None: `call_spec`.
            **kwargs: Options of the format.
        """
        signature = input_signature or [self.call_spec]
        if format != "tf_saved_model":
            super().export(filepath, format, verbose, signature, **kwargs)
            return
        # Keras's own would add networks that are not called: discriminators.
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serve", self.__call__, signature, **kwargs)
        archive.write_out(filepath, verbose=verbose is not False)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, networks serialised.

        They are the attributes of their names; `loss`, which is Keras's, `loss_name`.
        """
        names = ["name"]
        for base in type(self).__mro__:
            if issubclass(base, SteppedModel):
                names += inspect.signature(base.__init__).parameters
        passed_on = ("self", "args", "kwargs", "generators", "discriminators")
        values = {
            name: getattr(self, "loss_name" if name == "loss" else name)
            for name in names
            if name not in passed_on
        }
        serialize = keras.saving.serialize_keras_object
        return {
            name: serialize(value) if isinstance(value, keras.Model) else value
            for name, value in values.items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SteppedModel":
        """Builds the model from what `get_config` returned."""
        deserialize = keras.saving.deserialize_keras_object
        return cls(
            **{
                key: deserialize(value)
                if isinstance(value, dict) and "class_name" in value
                else value
                for key, value in config.items()
            }
        )

    def make_train_function(self, force: bool = False) -> TrainFunction:
        """Returns the compiled function that `fit` calls for every batch.

        Keras's own reduces scalar logs along axis 0, which fails with several
        workers; this one averages each log over all replicas.

        Args:
            force: Whether to rebuild it.
        """
        if self.train_function is None or force:
            mean = tf.distribute.ReduceOp.MEAN

            def averaged(logs: Logs) -> Logs:
                reduce = self.distribute_strategy.reduce
                return {k: reduce(mean, v, axis=None) for k, v in logs.items()}

            self.train_function = self._on_replicas(self.train_step, averaged)
            self.test_function = None
        return self.train_function

    def make_test_function(self, force: bool = False) -> TrainFunction:
        """Returns the compiled function that `evaluate` calls for every batch.

        Args:
            force: Whether to rebuild it.
        """
        if self.test_function is None or force:

            def of_all(logs: Logs) -> Logs:
                metrics = (m for m in self.loss_metrics if m.name in logs)
                return {metric.name: metric.result() for metric in metrics}

            self.test_function = self._on_replicas(self.test_step, of_all)
        return self.test_function

    def _on_replicas(
        self, step: Callable[..., Logs], together: Callable[[Logs], Logs]
    ) -> TrainFunction:
        """Compiles a function that passes an iterator's next batch to all replicas."""

        def on_replica(data: Any) -> Logs:
            return step(batches.named(data, self.batch_spec, type(self).__name__))

        def on_batch(iterator: Iterator[Any]) -> Logs:
            batch = next(iterator)
            return together(self.distribute_strategy.run(on_replica, args=(batch,)))

        if self.run_eagerly:
            return on_batch
        # Without AutoGraph: a step branches only on Python values.
        return tf.function(on_batch, reduce_retracing=True, autograph=False)

    def _symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: all networks and optimizers are built by `compile`."""

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: Keras's own fails with several workers (keras#20585)."""
