"""export.check: what is wrong with a folder of models, and what is right."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from export import check, server_files
from export.signatures import warmup
from tests.export.conftest import REPOSITORY, environment
from tfgan_models.errors import UsageError


class Scale(tf.Module):
    """y = x * factor."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    def scale(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.factor * tf.ensure_shape(x, [None, 2])}


class Refusing(tf.Module):
    """A signature that does not take everything."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def refusing(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_positive(x, "x must be positive")
        return {"y": 2 * x}


class Words(tf.Module):
    """The numbers of words that a file lists."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        index = tf.lookup.TextFileIndex
        words = tf.lookup.TextFileInitializer(
            str(file), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(words, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])
    def number(self, word: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": self.table.lookup(word)}


class Wrong(Refusing):
    """Signatures that a server has trouble with."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def names(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": 2 * x, "text": tf.as_string(x), "half": tf.cast(x, tf.float16)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, "x")], jit_compile=True
    )
    def compiled(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2 * x}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that nothing is wrong with."""
    module = Scale()
    directory = tmp_path_factory.mktemp("saved") / "scale"
    signatures = {"serving_default": module.scale}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    warmup.write(directory, "scale")
    return directory


@pytest.fixture
def model_base(saved: Path, tmp_path: Path) -> Path:
    """Two models, one in two versions."""
    for place in ("scale/1", "scale/3", "other/1"):
        shutil.copytree(saved, tmp_path / place)
    server_files.write(tmp_path)
    return tmp_path


def checked(folder: Path) -> tuple[list[str], str]:
    """Returns the problems and the report."""
    lines: list[str] = []
    return check.check(folder, lines.append), "\n".join(lines)


def test_all_versions_are_told_of(model_base: Path) -> None:
    problems, report = checked(model_base)
    assert problems == []
    places = [line.split(":")[0] for line in report.splitlines() if " MB, " in line]
    assert places == [f"{model_base}/{v}" for v in ("other/1", "scale/1", "scale/3")]
    assert report.endswith("3 versions checked: no problems")
    assert checked(model_base / "scale")[1].count(" MB, loaded in ") == 2


def test_a_model_without_a_version_hides_no_other(model_base: Path) -> None:
    shutil.copytree(model_base / "scale" / "1", model_base / "bare")
    problems, report = checked(model_base)
    place = f"{model_base}/bare: "
    assert problems == [f"{place}'bare' is not a version number: a server ignores it"]
    assert report.count(" MB, loaded in ") == 4


def test_the_table(model_base: Path) -> None:
    problems, report = checked(model_base / "scale" / "1")
    assert problems == []
    head, names, row, total = report.splitlines()
    size = sum(
        f.stat().st_size for f in (model_base / "scale/1").rglob("*") if f.is_file()
    )
    assert f"{size / 1e6:.1f} MB, loaded in " in head
    assert names.split() == [*check._COLUMNS[:3], "first", "ms", "repeated", "ms"]
    *values, first, repeated = re.split(" {2,}", row.strip())
    assert values == ["serving_default", "x float32 [?, 2]", "y float32 [?, 2]"]
    assert float(first) > float(repeated) > 0
    assert total == "1 version checked: no problems"


def break_weights(directory: Path) -> None:
    (directory / "variables/variables.data-00000-of-00001").unlink()


def break_graph(directory: Path) -> None:
    (directory / "saved_model.pb").write_bytes(b"noise")


def empty(directory: Path) -> None:
    shutil.rmtree(directory)
    directory.mkdir()


def misname(directory: Path) -> None:
    directory.rename(directory.with_name("best"))


def break_warm_up(directory: Path) -> None:
    path = directory / warmup.FILE
    path.write_bytes(path.read_bytes()[:-2])


def outdate_warm_up(directory: Path) -> None:
    rewrite_warm_up(directory, [[1.0, 2.0, 3.0]])


def rewrite_warm_up(directory: Path, x: list) -> None:
    """Gives the only warm-up request another input."""
    (request,) = warmup.read(directory)
    log = PredictionLog()
    log.predict_log.request.CopyFrom(request)
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    with tf.io.TFRecordWriter(str(directory / warmup.FILE)) as records:
        records.write(log.SerializeToString())


def break_batching(directory: Path) -> None:
    (directory / server_files.BATCHING).write_text("max_batch_size: many")


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (break_weights, "it cannot be loaded"),
        (break_graph, "saved_model.pb cannot be read"),
        (empty, "saved_model.pb cannot be read"),
        (misname, "'best' is not a version number: a server ignores it"),
        (break_warm_up, "tf_serving_warmup_requests is damaged"),
        (outdate_warm_up, "the warm-up of serving_default fails"),
        (break_batching, "batching_params.pbtxt cannot be read"),
    ],
)
def test_a_broken_version_is_named_and_the_others_are_told_of(
    model_base: Path, damage: Callable[[Path], None], text: str
) -> None:
    damage(model_base / "scale" / "1")
    (model_base / server_files.MODELS_CONFIG).unlink()
    problems, report = checked(model_base)
    assert len(problems) == 1
    assert f"{model_base}/scale/" in problems[0]
    assert text in problems[0]
    assert "\n" not in problems[0]
    assert f"  BROKEN {problems[0]}" in report
    for place in ("other/1", "scale/3"):
        assert f"{model_base}/{place}: " in report
    assert report.endswith("3 versions checked: 1 problem")


def test_why_it_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("sea")
    module = Words(tmp_path / "words.txt")
    directory = tmp_path / "words" / "1"
    tf.saved_model.save(module, str(directory), {"serving_default": module.number})
    listed = directory / "assets" / "words.txt"
    listed.unlink()
    problems, _ = checked(directory)
    assert problems == [
        f"{directory}: it cannot be loaded: {listed}; No such file or directory"
    ]


def test_signatures_that_cannot_be_served(tmp_path: Path) -> None:
    module = Wrong()
    signatures = {
        "names": module.names,
        "compiled": module.compiled,
        "refusing": module.refusing,
    }
    directory = tmp_path / "wrong" / "1"
    tf.saved_model.save(module, str(directory), signatures=signatures)
    problems, report = checked(directory)
    texts = [problem.removeprefix(f"{directory}: ") for problem in problems]
    assert texts[0].startswith("no signature serving_default, only")
    assert texts[1:4] == [
        "names: x is the name of both an input and an output",
        "names: the output half is float16, not float32",
        "names: the output text is a string but not named text_bytes: REST would "
        "not encode it as base64",
    ]
    assert "compiled" in texts[4]
    assert texts[4].endswith("(jit_compile=True), which TensorFlow Serving refuses")
    assert texts[5].startswith("refusing fails: ")
    assert "x must be positive" in texts[5]
    assert len(texts) == 6
    assert "; no warm-up requests" in report


def test_another_model_is_asked_what_its_own_warm_up_asks(tmp_path: Path) -> None:
    module, directory = Refusing(), tmp_path / "other" / "1"
    signatures = {"serving_default": module.refusing}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    (problem,), _ = checked(directory)
    assert "x must be positive" in problem
    warmup.write(directory, "other")
    rewrite_warm_up(directory, [2.0])
    problems, report = checked(directory)
    assert problems == []
    assert report.endswith("1 version checked: no problems")


def test_labels_must_point_to_what_is_loaded(model_base: Path) -> None:
    assert check.config_problems(model_base) == []
    path = model_base / "models.config"
    shutil.copytree(model_base / "scale/1", model_base / "scale/9")
    shutil.copytree(model_base / "scale/1", model_base / "scale/8")
    shutil.rmtree(model_base / "other")
    shutil.copytree(model_base / "scale/1", model_base / "third/1")
    assert check.config_problems(model_base) == [
        f"{path}: there is no model other",
        f"{path}: the label canary of scale points to version 3, which is not loaded",
        f"{path}: the label stable of scale points to version 3, which is not loaded",
        f"{path} does not name third, which is therefore not served",
    ]
    path.write_text(path.read_text().replace("value: 3", "value: 7"))
    assert "version 7, which is missing" in check.config_problems(model_base)[1]
    path.write_text("model_config_list {")
    (problem,) = check.config_problems(model_base)
    assert "models.config cannot be read" in problem
    problems, report = checked(model_base)
    assert problem in problems
    assert f"BROKEN {problem}" in report.splitlines()


def test_where_no_version_is_left_all_is_told(model_base: Path) -> None:
    for path in model_base.glob("*/*/saved_model.pb"):
        path.unlink()
    problems, report = checked(model_base)
    texts = [problem.split(": ", 1)[1] for problem in problems]
    assert sum("saved_model.pb cannot be read" in text for text in texts) == 3
    assert texts[3:] == ["there is no model other", "there is no model scale"]
    assert report.endswith("3 versions checked: 5 problems")


def test_a_folder_without_models(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="Export a model there first"):
            checked(folder)


def test_command(model_base: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "export.check", *arguments],
            cwd=REPOSITORY,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )

    break_graph(model_base / "scale" / "1")
    finished = run(str(model_base))
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert f"{model_base}/scale/1: " in finished.stderr
    assert f"{model_base}/scale/3: " in finished.stdout
    finished = run()
    assert finished.returncode == 2
    assert "Give one folder" in finished.stderr
