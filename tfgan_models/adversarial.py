"""GANModel: what every GAN here shares, so that a paper's file holds its paper."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

import tfgan_models.schedules  # noqa: F401  (registers what files of models hold)
from tfgan_models import sampling
from tfgan_models.fitting import SteppedModel
from tfgan_models.optimizers import OptimizersAsOne, scaled_if_float16

_DROPOUT = 1000
"""From this purpose of `random_key` on, keys are for dropout."""


class GANModel(SteppedModel):
    """A GAN with two optimizers, trained by `fit` under any `tf.distribute` strategy.

    A subclass passes `generators` and `discriminators` in its constructor, stores its
    other arguments as attributes of the same names, lists its losses in `loss_names`
    and implements `train_step`, which calls `minimize` for each optimizer and ends
    with `finish_step`. Model and networks are created in
    `strategy.scope()`; `compile` may be called anywhere.

    `exported_networks` are the same everywhere: the averaged
    generators, if there are any. Calling the model, `predict`, samples, metrics and
    exports all use them; the generators themselves are used only in training.

    Args:
        generators: Networks by name, trained together.
        discriminators: Networks by name, trained together.
        ema_decay: If above 0, `ema_generators` are kept: copies of the generators
            whose weights follow as `ema = d * ema + (1 - d) * weight` after every
            step, d = min(ema_decay, (1 + t) / (10 + t)) after t steps, so that the
            initial weights are soon forgotten.
        seed: Seed of all random numbers in training.
        **kwargs: `name` and the like of `keras.Model`.

    Raises:
        ValueError: `ema_decay` is not in [0, 1).
    """

    loss_names: Sequence[str] = ()
    counter_names: Sequence[str] = ("step",)
    """Attributes, variables, that `.keras` and `.weights.h5` files hold as well."""

    def __init__(
        self,
        generators: Mapping[str, keras.Model],
        discriminators: Mapping[str, keras.Model],
        ema_decay: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if not 0.0 <= ema_decay < 1.0:
            raise ValueError(
                f"ema_decay must be in [0, 1). Received: ema_decay={ema_decay}"
            )
        super().__init__(**kwargs)
        self.generators = dict(generators)
        self.discriminators = dict(discriminators)
        self.ema_decay = ema_decay
        self.seed = seed
        self.ema_generators: dict[str, keras.Model] = {}
        with self.distribute_strategy.scope():
            self.step = counter("step")
            self.averaged_since = 0
            if ema_decay:
                self.ema_generators = {k: copy(g) for k, g in generators.items()}
        self.built = True

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training and builds both optimizers.

        Callbacks that set `optimizer.learning_rate` set both optimizers' rates: the
        generators', and the discriminators' in proportion.

        Args:
            generator_optimizer: Updates all generators together; None: the paper's.
                Wrapped in a `LossScaleOptimizer` if the networks compute in float16.
            discriminator_optimizer: Updates all discriminators together, likewise.
            **kwargs: `run_eagerly` of `keras.Model.compile`.
        """
        super().compile(optimizer=None, jit_compile=False, **kwargs)
        # Unbuilt optimizers fail under MirroredStrategy, and a checkpoint restored
        # into them would silently leave their moments behind.
        with self.distribute_strategy.scope():
            self.generator_optimizer = scaled_if_float16(
                generator_optimizer or self.paper_optimizer(), self.generators.values()
            )
            self.discriminator_optimizer = scaled_if_float16(
                discriminator_optimizer or self.paper_optimizer(),
                self.discriminators.values(),
            )
            self.generator_optimizer.build(self.generator_variables)
            self.discriminator_optimizer.build(self.discriminator_variables)
            self.loss_metrics = [
                keras.metrics.Mean(name=name) for name in self.loss_names
            ]
        self.optimizer = OptimizersAsOne(self.optimizers_in_use, self.step)

    def optimizers_in_use(self) -> list[keras.optimizers.Optimizer]:
        """Returns the optimizers of the current phase, the generators' first."""
        return [self.generator_optimizer, self.discriminator_optimizer]

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """Returns a new optimizer with the paper's numbers."""
        return keras.optimizers.Adam(2e-4, beta_1=0.5, epsilon=1e-8)

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the optimizers, serialised, for a `.keras` file."""
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles with the optimizers that `get_compile_config` returned."""
        deserialize = keras.saving.deserialize_keras_object
        self.compile(**{key: deserialize(value) for key, value in config.items()})

    def save_own_variables(self, store: Any) -> None:
        """Writes to a file, besides the networks, how far training is."""
        for name in self.counter_names:
            store[name] = getattr(self, name).numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote."""
        for name in self.counter_names:
            if name in store:  # not in files of earlier versions
                getattr(self, name).assign(int(store[name][()]))

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """Trainable variables of all generators, in their order."""
        return [v for g in self.generators.values() for v in g.trainable_variables]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """Trainable variables of all discriminators, in their order."""
        return [v for d in self.discriminators.values() for v in d.trainable_variables]

    @property
    def exported_networks(self) -> dict[str, keras.Model]:
        """The networks to use after training: EMA generators if there are any."""
        return dict(self.ema_generators or self.generators)

    def source_names(self, name: str) -> Sequence[str]:
        """Which generator of another run one may start from, the best first.

        Args:
            name: The generator's.
        """
        return [name]

    def begin(self, step: int) -> None:
        """Must be called before training resumes, and at the start of each phase.

        If frozen weights start to train, it sets `averaged_since` to that
        step, so that the average forgets their initial values.

        Args:
            step: The steps done so far.
        """

    def status(self) -> dict[str, float]:
        """Returns values to log besides the losses, by name."""
        return {}

    def training_state(self) -> dict[str, Any]:
        """Returns everything needed to resume training, for a checkpoint.

        Raises:
            RuntimeError: The model is not compiled.
        """
        if not self.compiled:
            raise RuntimeError("Call compile() first: the optimizers are saved too.")
        return {
            "step": self.step,
            "generators": weights(self.generators),
            "discriminators": weights(self.discriminators),
            "ema_generators": weights(self.ema_generators),
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def minimize(
        self,
        loss: tf.Tensor,
        variables: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
    ) -> None:
        """Applies one optimizer step; call it in `train_step`, outside the tape.

        The optimizer sums gradients over replicas, so each replica's mean loss is
        divided here by their number, once.

        Args:
            loss: This replica's scalar loss, computed under `tape`.
            variables: What to update.
            optimizer: One of the model's two optimizers.
            tape: The tape, which watched `variables`.
        """
        gradients = self.scaled_gradients(loss, variables, optimizer, tape)
        optimizer.apply(gradients, variables)

    def scaled_gradients(
        self,
        loss: tf.Tensor,
        variables: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
    ) -> list[tf.Tensor | None]:
        """Returns the gradients for `optimizer.apply`, see `minimize`.

        Args:
            loss: This replica's scalar loss, computed under `tape`.
            variables: With respect to these; None if the loss does not depend on
                one.
            optimizer: One of the model's two optimizers.
            tape: The tape, which watched `variables`.
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        share = optimizer.scale_loss(tf.constant(1.0 / replicas, loss.dtype))
        return tape.gradient(loss, variables, output_gradients=share)

    def finish_step(
        self, losses: Mapping[str, tf.Tensor], weight: float | tf.Tensor = 1.0
    ) -> dict[str, tf.Tensor]:
        """Ends a `train_step`: updates EMA, the step counter and the loss metrics.

        Args:
            losses: This replica's scalar for every name in `loss_names`.
            weight: The step's weight in the running means.

        Returns:
            The running mean of each loss, for `train_step` to return.
        """
        steps = tf.cast(self.step - self.averaged_since, tf.float32)
        rate = 1.0 - tf.minimum(self.ema_decay, (1.0 + steps) / (10.0 + steps))
        for key, ema in self.ema_generators.items():
            _follow(ema, self.generators[key], rate)
        self.step.assign_add(1)
        for metric in self.loss_metrics:
            metric.update_state(losses[metric.name], sample_weight=weight)
        return {metric.name: metric.result() for metric in self.loss_metrics}

    def random_key(self, purpose: int) -> tf.Tensor:
        """Returns a key for `tf.random.stateless_*`, int32 [2].

        It depends only on the model's seed, the step, the replica and `purpose`: no
        two replicas or steps share it, and a resumed run gets the same keys.

        Args:
            purpose: A number that distinguishes the keys of one step.
        """
        key = tf.constant([self.seed, purpose], tf.int32)
        key = tf.random.fold_in(key, tf.cast(self.step, tf.int32))
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.fold_in(key, replica)

    def draw_samples(
        self, purpose: int, count: int, *shape: int, distribution: str = "normal"
    ) -> tf.Tensor:
        """Returns this replica's part of the random numbers for the whole batch.

        One replica with the whole batch gets what several with its parts get.

        Args:
            purpose: A number that distinguishes the keys of one step.
            count: Images of this replica.
            *shape: Of one sample.
            distribution: "normal", N(0, 1), or "uniform", in [-1, 1).

        Returns:
            float32 [count, *shape].
        """
        replicas = self.distribute_strategy.num_replicas_in_sync
        key = tf.constant([self.seed, purpose], tf.int32)
        key = tf.random.fold_in(key, tf.cast(self.step, tf.int32))
        draws = sampling.draw([replicas, count, *shape], key, distribution)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.gather(draws, replica)

    def forward(
        self, network: keras.Model, *inputs: tf.Tensor, purpose: int = 0, **options: Any
    ) -> Any:
        """Calls a network in training mode, alike on one replica and on several.

        Keras's own dropout uses the same mask on every replica and counts its calls in
        variables. Here its seeds are constant and replaced during the call by
        `random_key`'s. Other assignments of the call, batch normalisation's averages,
        are made after it, as the mean over replicas: otherwise each would keep only its
        own.

        Args:
            network: The network.
            *inputs: Its inputs.
            purpose: A number that distinguishes the network's calls of one step.
            **options: Further arguments of its call.

        Returns:
            Its outputs.
        """
        seeds = [layer.seed_generator.state for layer in _dropouts(network)]
        keys = [
            (state, tf.cast(self.random_key(_DROPOUT + i), state.dtype))
            for i, state in enumerate(seeds, purpose * len(seeds))
        ]
        with keras.StatelessScope(state_mapping=keys) as scope:
            outputs = network(*inputs, training=True, **options)
        average = functools.partial(
            tf.distribute.get_replica_context().all_reduce, tf.distribute.ReduceOp.MEAN
        )
        for variable in network.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not None and all(variable is not seed for seed in seeds):
                variable.assign(average(tf.stop_gradient(value)))
        return outputs


def counter(name: str) -> tf.Variable:
    """Returns an int64 variable of 0, the same on all replicas."""
    return tf.Variable(
        0,
        dtype=tf.int64,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        name=name,
    )


def watching(variables: Sequence[keras.Variable]) -> tf.GradientTape:
    """Returns a tape that watches only these variables; it can be entered again."""
    tape = tf.GradientTape(watch_accessed_variables=False)
    with tape:
        tape.watch([v.value for v in variables])
    return tape


def weights(networks: Mapping[str, keras.Model]) -> dict[str, list[tf.Variable]]:
    """Returns the variables of networks by name, as stored in checkpoints.

    `tf.train.Checkpoint` follows a model's attributes and would silently skip layers
    in lists.
    """
    return {name: [v.value for v in n.variables] for name, n in networks.items()}


def copy(network: keras.Model) -> keras.Model:
    """Returns a non-trainable network with the same configuration and weights."""
    twin = network.__class__.from_config(network.get_config())
    twin.set_weights(network.get_weights())
    twin.trainable = False
    return twin


def all_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer


def normalizes_batches(network: keras.Model) -> bool:
    """Says whether images in one training call influence each other."""
    norm = keras.layers.BatchNormalization
    return any(isinstance(layer, norm) for layer in all_layers(network))


def _dropouts(network: keras.Model) -> Iterator[keras.layers.Dropout]:
    """Yields the dropout layers of a network and of the networks in it."""
    for layer in all_layers(network):
        if isinstance(layer, keras.layers.Dropout) and layer.rate:
            yield layer


def _follow(ema: keras.Model, network: keras.Model, rate: tf.Tensor) -> None:
    """Moves the weights of `ema` towards those of `network`, on all replicas.

    Non-trainable weights, such as statistics that are averages themselves, are copied.
    """
    pairs = list(zip(ema.variables, network.variables, strict=True))

    def update(strategy: tf.distribute.Strategy, rate: tf.Tensor) -> None:
        for target, source in pairs:
            move, more = (_move, (rate,)) if source.trainable else (_copy, ())
            strategy.extended.update(target.value, move, args=(source.value, *more))

    tf.distribute.get_replica_context().merge_call(update, args=(rate,))


def _move(target: tf.Variable, source: tf.Tensor, rate: tf.Tensor) -> None:
    target.assign_add((source - target) * tf.cast(rate, target.dtype))


def _copy(target: tf.Variable, source: tf.Tensor) -> None:
    target.assign(source)
