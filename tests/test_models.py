"""Every paper's model keeps the promises of `GANModel`."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgan_models
from tests import gans, models
from tests.models import CASES, Case
from tfgan_models.adversarial import GANModel
from tfgan_models.growing_gan import GrowingGAN
from tfgan_models.runs import checkpoints

each_model = pytest.mark.parametrize("case", CASES, ids=str)
# Of one stage, of several, growing.
SHAPES = ("DCGAN", "SRGAN", "ProGAN")
shapes = [
    pytest.param(case, marks=() if case.model in SHAPES else pytest.mark.slow)
    for case in CASES
]
each_shape = pytest.mark.parametrize("case", shapes, ids=str)
run_of_each_shape = pytest.mark.parametrize("run", shapes, ids=str, indirect=True)


@dataclass(frozen=True)
class Run:
    """A finished training of a case, not traced.

    Attributes:
        model: As it is afterwards.
        before: Its weights at the start.
        logs: What each step logged.
    """

    case: Case
    model: GANModel
    before: dict[str, np.ndarray]
    logs: list[dict[str, float]]


@dataclass(frozen=True)
class Fitted:
    """A model that trains nothing.

    Attributes:
        batch: One of its stage, of nothing but what the stage takes.
        seen: What it was to be trained on.
    """

    model: GANModel
    batch: dict[str, tf.Tensor]
    seen: list[dict[str, tf.Tensor]]


@pytest.fixture(scope="module", params=CASES, ids=str)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    case = request.param
    model = case.build(**case.ema)
    before = models.values(model)
    yield Run(case, model, before, models.train(case, model))
    keras.backend.clear_session()


def assert_same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    """Asserts that two lots of weights are equal, bit for bit."""
    for (name, one), other in zip(ours.items(), theirs.values(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


def furthest(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Returns the largest difference of two lots of weights."""
    pairs = zip(ours.values(), theirs.values(), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def test_every_model_has_a_case() -> None:
    public = [getattr(tfgan_models, name) for name in tfgan_models.__all__]
    papers = [c for c in public if inspect.isclass(c) and issubclass(c, GANModel)]
    names = {paper.__name__ for paper in papers} - {"GANModel"}
    assert {case.model for case in CASES} == names


def test_each_step_logs_its_losses(run: Run) -> None:
    assert isinstance(run.model, getattr(tfgan_models, run.case.model))
    assert run.model.loss_names
    for log in run.logs:
        assert tuple(log) == tuple(run.model.loss_names)
        assert np.isfinite(list(log.values())).all()
    # Those that a stage has not are 0 in it.
    first = [next(value for value in log.values() if value) for log in run.logs]
    assert len(set(first)) == run.case.steps


def test_everything_that_is_trained_moves(run: Run) -> None:
    """In the course of the stages."""
    after = models.values(run.model)
    trained = 0
    for name, network in models.networks(run.model).items():
        for i, weight in enumerate(network.weights):
            if weight.trainable and not any(u in weight.path for u in run.case.unused):
                key = f"{name}/{i}/{weight.path}"
                assert np.any(after[key] != run.before[key]), key
                assert np.isfinite(after[key]).all(), key
                trained += 1
    assert trained > 4
    assert int(run.model.step) == run.case.steps


def test_averages_are_exported(run: Run) -> None:
    """They follow the generators."""
    exported, averaged = run.model.exported_networks, run.model.ema_generators
    distances = []
    for name, network in exported.items():
        assert network is averaged[name]
        assert not network.trainable_variables
        pairs = zip(
            network.get_weights(), run.model.generators[name].get_weights(), strict=True
        )
        distances += [np.abs(one - other).max() for one, other in pairs]
    assert max(distances) > 1e-5


def test_resumed_from_a_checkpoint_is_bit_for_bit_the_same(
    run: Run, tmp_path: Path
) -> None:
    """Half a training, and the rest in another model, are `run`'s."""
    case, half = run.case, run.case.steps // 2
    first = case.build(**case.ema)
    assert_same(models.values(first), run.before)
    models.train(case, first, half)
    checkpoints.save(tmp_path, half, first.training_state())
    second = case.build(**case.ema)
    for network in models.networks(second).values():
        network.set_weights([np.full_like(w, 0.5) for w in network.get_weights()])
    assert checkpoints.restore(tmp_path, second.training_state()) == half
    assert_same(models.values(first), models.values(second))
    logs = models.train(case, second, case.steps - half, first=half)
    assert logs == run.logs[half:]
    assert_same(models.values(second), models.values(run.model))
    assert int(second.step) == case.steps
    for name in ("generator_optimizer", "discriminator_optimizer"):
        pairs = zip(
            getattr(second, name).variables,
            getattr(run.model, name).variables,
            strict=True,
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_the_seed_decides_what_is_drawn(run: Run) -> None:
    """The same weights and images, trained with another seed, come to others."""
    case = run.case
    other = case.build(seed=1, **case.ema)
    models.assign(other, run.before)
    assert_same(models.values(other), run.before)
    models.train(case, other)
    distance = furthest(models.values(other), models.values(run.model))
    assert distance > 1e-4 if case.draws else distance == 0.0


@each_model
def test_the_graph_trains_as_eager_does(case: Case) -> None:
    """Without averages, in whose place the generators themselves are exported."""
    options = {"optimizer": case.steady, "dtype": "float64"}
    eager, graph = (case.build(**options) for _ in range(2))
    before = models.values(eager)
    # Into the second stage, where there is one.
    steps = 1 + (*case.stages, 1)[1]
    logs = models.train(case, eager, steps)[-1]
    traced = models.train_traced(case, graph, steps)
    assert tuple(traced) == tuple(logs)
    for name, value in logs.items():
        assert float(traced[name]) == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert int(graph.step) == steps
    one, other = models.values(eager), models.values(graph)
    assert furthest(before, one) > 1e-4
    if case.ema:
        for name, network in eager.exported_networks.items():
            assert network is eager.generators[name]
    gans.assert_moved_alike(*(list(w.values()) for w in (other, one, before)))


@each_model
def test_config_round_trip(case: Case) -> None:
    model = case.build(seed=4, **case.ema)
    config = model.get_config()
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    assert type(twin) is type(model)
    assert twin.get_config() == config
    assert config["seed"] == twin.seed == 4
    arguments = {
        name
        for base in type(model).__mro__
        if issubclass(base, GANModel)
        for name in inspect.signature(base.__init__).parameters
    }
    passed_on = {"self", "kwargs", "generators", "discriminators"}
    if isinstance(model, GrowingGAN):
        passed_on.add("ema_decay")  # each phase has its own
    assert set(config) == arguments - passed_on | {"name"}
    name = f"tfgan_models>{case.model}"
    assert keras.saving.get_registered_name(type(model)) == name


@run_of_each_shape
def test_saves_and_loads_as_keras_file(run: Run, tmp_path: Path) -> None:
    """The networks answer the same, and what is loaded can be trained on."""
    case = run.case
    run.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_same(models.values(loaded), models.values(run.model))
    loaded.begin(case.steps - 1)
    run.model.begin(case.steps - 1)
    assert list(loaded.exported_networks) == list(run.model.exported_networks)
    for name, network in run.model.exported_networks.items():
        expected = models.answers(network, case.side)
        found = models.answers(loaded.exported_networks[name], case.side)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert np.isfinite(one).all()
            assert one.std() > 1e-4
    before = models.values(loaded)
    logs = models.train(case, loaded, steps=1, first=case.steps - 1)
    assert np.isfinite(list(logs[0].values())).all()
    assert furthest(before, models.values(loaded)) > 1e-5


@pytest.mark.parametrize(
    "policy",
    [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"],
)
@each_shape
def test_half_precision(case: Case, policy: str) -> None:
    model = case.build(dtype=policy)
    before = models.values(model)
    logs = models.train(case, model, steps=1 + case.stages[-1])
    assert all(np.isfinite(list(log.values())).all() for log in logs)
    after = models.values(model)
    assert {value.dtype for value in after.values() if value.dtype.kind == "f"} == {
        np.dtype("float32")
    }
    assert all(np.isfinite(value).all() for value in after.values())
    assert furthest(before, after) > 1e-4
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    scaled = [isinstance(o, keras.optimizers.LossScaleOptimizer) for o in optimizers]
    assert scaled == [policy == "mixed_float16"] * 2


def test_the_page_tells_what_a_batch_is(run: Run) -> None:
    """In the last row of the system in docs/keras.md; those here have classes."""
    page = (Path(__file__).parents[1] / "docs/keras.md").read_text()
    rows = re.findall(
        r"^\| ([^`|]+) \| (`[^|]+) \| .* \| (`.*) \|$", page, re.MULTILINE
    )
    system = rf"(?<!\w){run.case.model}(?!\w)"
    *_, (batch, told) = (rest for systems, *rest in rows if re.search(system, systems))
    named, spec = re.findall(r"`(\w+)`", batch), list(run.model.batch_spec)
    assert [name for name in named if name != "embedding"] == spec
    found = run.model.test_losses(run.case.batch(run.model, 7))
    assert set(re.findall(r"`(\w+)`", told)) - {"matching"} <= set(found)


@pytest.fixture
def fitted(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fitted]:
    """`run`'s model, whose `fit` trains nothing and tells what it would train on."""
    seen: list[dict[str, tf.Tensor]] = []

    def step(data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        seen.append(data)
        return {"g_loss": tf.zeros([])}

    model, batch = run.model, run.case.batch(run.model, 7)
    monkeypatch.setattr(model, "train_step", step)
    model.run_eagerly, model.train_function = True, None
    yield Fitted(model, {name: batch[name] for name in model.batch_spec}, seen)
    model.run_eagerly, model.train_function = False, None


def test_fit_takes_dicts_tuples_and_arrays(fitted: Fitted) -> None:
    model, batch = fitted.model, fitted.batch
    arrays = {name: np.asarray(part) for name, part in batch.items()}
    given = [
        (tf.data.Dataset.from_tensors(batch | {"other": tf.zeros([1])}),),
        (tf.data.Dataset.from_tensors(tuple(batch.values())),),
        (arrays,),
        (list(arrays.values()),),
    ]
    if len(arrays) <= 2:
        given.append(tuple(arrays.values()))
    for data in given:
        model.fit(*data, shuffle=False, verbose=0)
        found = fitted.seen.pop()
        assert list(found) == list(batch)
        for name, part in batch.items():
            np.testing.assert_array_equal(found[name], part)
        assert not fitted.seen


def test_fit_refuses_what_is_no_batch(fitted: Fitted) -> None:
    """In one line, before anything is trained."""
    name, image = next(iter(fitted.batch.items()))
    bytes_ = 127.5 * np.asarray(image) + 127.5
    wrong = {
        rf"{name} from .* to \d\d\d.*images / 127.5 - 1": {name: bytes_},
        f"{name} uint8 .*images / 127.5 - 1": {name: bytes_.astype("uint8")},
        rf"{name} float32 \[\d, .*, 7\]": {name: np.tile(image[..., :1], 7)},
        f"{name} from .*nan": {name: np.full_like(image, np.nan)},
    }
    system = type(fitted.model).__name__
    for message, part in wrong.items():
        data = tf.data.Dataset.from_tensors(fitted.batch | part)
        for arguments in ({"x": data}, {"x": fitted.batch, "validation_data": data}):
            with pytest.raises(ValueError, match=f"^{system} takes .*{message}"):
                fitted.model.fit(**arguments, verbose=0)
    given = {"nosuch": bytes_}
    for data in (given, (image,) * 4):
        expected = rf"^{system} takes batches of {name} float32 .* Received: .*\.$"
        with pytest.raises(ValueError, match=expected):
            fitted.model.fit(tf.data.Dataset.from_tensors(data), verbose=0)
    assert not fitted.seen


def test_evaluates_what_is_exported(fitted: Fitted) -> None:
    """The mean over images, of batches of different sizes; nothing is updated."""
    model = fitted.model
    for network in model.generators.values():
        network.set_weights([np.full_like(w, 0.1) for w in network.get_weights()])
    before, step = models.values(model), int(model.step)
    arrays = {name: np.asarray(part) for name, part in fitted.batch.items()}
    count = len(next(iter(arrays.values())))
    size = max(1, count - 1)
    found = model.evaluate(arrays, batch_size=size, return_dict=True, verbose=0)
    expected = dict.fromkeys(found, 0.0)
    for part in (slice(0, size), slice(size, count)):
        batch = {name: tf.constant(array[part]) for name, array in arrays.items()}
        share = len(next(iter(batch.values()))) / count
        for name, loss in model.test_losses(batch).items():
            expected[name] += share * float(loss)
    assert found == pytest.approx(expected, rel=1e-4)
    assert {"g_loss", "d_loss"} <= set(found) <= set(model.loss_names)
    assert_same(models.values(model), before)
    assert int(model.step) == step


@run_of_each_shape
def test_keras_exports_what_predict_answers(run: Run, tmp_path: Path) -> None:
    model, random = run.model, np.random.default_rng(3)
    model.begin(run.case.steps - 1)

    def drawn(spec: tf.TensorSpec) -> np.ndarray:
        shape = [2, *(size or run.case.side for size in spec.shape[1:])]
        if spec.dtype.is_integer:
            return random.integers(0, 2, shape)
        return random.uniform(-1, 1, shape).astype("float32")

    inputs = keras.tree.map_structure(drawn, model.call_spec)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    answer = served.serve(inputs)
    np.testing.assert_allclose(answer, model.predict(inputs, verbose=0), atol=1e-5)
    assert np.std(answer) > 1e-4
    # Neither discriminators nor what is averaged are in the files.
    exported = [w for n in model.exported_networks.values() for w in n.weights]
    written = tf.train.list_variables(str(tmp_path / "served/variables/variables"))
    assert 0 < sum(bool(shape) for _, shape in written) <= len(exported)
