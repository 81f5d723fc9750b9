"""Warm-up requests: TensorFlow Serving's file of them."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from export.signatures import warmup
from tfgan_models.errors import FailureError


class Signatures(tf.Module):
    """Inputs of several kinds."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "caption"),
            tf.TensorSpec([None, 3], tf.float32, "latent"),
        ]
    )
    def two(self, caption: tf.Tensor, latent: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(caption), "twice": 2 * latent}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, "seed")])
    def scalar(self, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"next": seed + 1}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    module = Signatures()
    tf.saved_model.save(
        module,
        str(tmp_path / "1"),
        signatures={"serving_default": module.two, "count": module.scalar},
    )
    return tmp_path / "1"


def test_a_request_for_every_signature(directory: Path) -> None:
    assert warmup.read(directory) == []
    warmup.write(directory, "mine")
    assert Path("assets.extra/tf_serving_warmup_requests") == warmup.FILE
    logs = [
        PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset([str(directory / warmup.FILE)])
    ]
    requests = [log.predict_log.request for log in logs]
    assert requests == warmup.read(directory)
    specs = [(r.model_spec.name, r.model_spec.signature_name) for r in requests]
    assert specs == [("mine", "count"), ("mine", "serving_default")]
    count, default = (warmup.arrays(request) for request in requests)
    assert count["seed"].shape == ()
    assert count["seed"].dtype == np.int64
    assert default["caption"].tolist() == [b"a red heart"]
    assert default["latent"].tolist() == [[-1, 0, 1]]


def test_damaged_files_are_named(directory: Path) -> None:
    warmup.write(directory, "mine")
    path = directory / warmup.FILE
    contents = path.read_bytes()
    path.write_bytes(contents[:-3])
    with pytest.raises(FailureError, match=r"tf_serving_warmup_requests is damaged"):
        warmup.read(directory)
    path.write_bytes(contents.replace(b"red", b"bed"))
    with pytest.raises(FailureError, match=r"tf_serving_warmup_requests is damaged"):
        warmup.read(directory)
    with tf.io.TFRecordWriter(str(path)) as records:
        records.write(b"noise")
    with pytest.raises(FailureError, match=r"tf_serving_warmup_requests is damaged"):
        warmup.read(directory)
    with tf.io.TFRecordWriter(str(path)) as records:
        records.write(PredictionLog(classify_log={}).SerializeToString())
    with pytest.raises(FailureError, match="other than Predict requests"):
        warmup.read(directory)
