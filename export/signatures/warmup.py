"""The requests that TensorFlow Serving runs before it serves a version.

    <version>/assets.extra/tf_serving_warmup_requests

The first call of a graph is many times slower than the second. A version whose warm-up
fails is not served.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.signatures import saved_signatures
from export.signatures.examples import examples
from tfgan_models.errors import FailureError

if TYPE_CHECKING:
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

FILE = Path("assets.extra", "tf_serving_warmup_requests")


def write(directory: Path, name: str, side: int | None = None) -> None:
    """Writes a request of one sample for every signature of a SavedModel.

    Nothing is loaded or run.

    Args:
        directory: The SavedModel, which no server must see yet.
        name: Of the model.
        side: Value of open sizes, see `export.signatures.examples`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = directory / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as records:
        for signature_name, signature in saved_signatures.read(directory).items():
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature_name
            arrays = examples(signature.inputs, signature.input_shapes, side=side)
            for key, array in arrays.items():
                tensor = tf.make_tensor_proto(array, signature.inputs[key])
                request.inputs[key].CopyFrom(tensor)
            records.write(log.SerializeToString())


def read(directory: Path) -> "list[PredictRequest]":
    """Returns the warm-up requests of a SavedModel, none if it has no such file.

    Raises:
        FailureError: The file is damaged.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = directory / FILE
    if not path.is_file():
        return []
    try:
        records = [record.numpy() for record in tf.data.TFRecordDataset([str(path)])]
        logs = [PredictionLog.FromString(record) for record in records]
    except (tf.errors.OpError, DecodeError) as error:
        reason = str(error).split("\n")[0]
        raise FailureError(f"{path} is damaged: {reason}") from error
    if not all(log.HasField("predict_log") for log in logs):
        raise FailureError(f"{path} holds requests other than Predict requests.")
    return [log.predict_log.request for log in logs]


def arrays(request: "PredictRequest") -> dict[str, np.ndarray]:
    """Returns the inputs of a request; strings as bytes objects."""
    import tensorflow as tf

    return {name: tf.make_ndarray(request.inputs[name]) for name in request.inputs}
