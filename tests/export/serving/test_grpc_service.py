"""The gRPC services over a real socket, asked by tensorflow-serving-api's own stubs."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from export.serving.predictor import Predictor
from tests.export.serving.grpc_client import DTYPES, Client, refused, request


def samples(dtype: str) -> np.ndarray:
    if dtype == "string":
        return np.array([b"", b"a\0", b"\xff\xfe"], object)
    return tf.cast(tf.constant([0, 1, 3]), dtype).numpy()


def typed(array: np.ndarray) -> tensor_pb2.TensorProto:
    """As clients write it that know no tensor_content."""
    field = {"float64": "double_val", "uint8": "int_val", "int64": "int64_val"}
    proto = tf.make_tensor_proto(array[:0])
    proto.tensor_shape.dim[0].size = len(array)
    getattr(proto, field[array.dtype.name]).extend(array.tolist())
    return proto


def test_every_dtype_goes_and_comes_back(client: Client) -> None:
    sent = {f"in_{dtype}": samples(dtype) for dtype in DTYPES}
    answer = client.predict("kinds", sent)
    assert sorted(answer.outputs) == [f"out_{dtype}" for dtype in DTYPES]
    for dtype in DTYPES:
        proto = answer.outputs[f"out_{dtype}"]
        assert proto.dtype == tf.dtypes.as_dtype(dtype).as_datatype_enum
        # Clients without TensorFlow read the field of the values.
        assert not proto.tensor_content
        array = tf.make_ndarray(proto)
        assert array.dtype == sent[f"in_{dtype}"].dtype
        np.testing.assert_array_equal(array, sent[f"in_{dtype}"])


def test_values_in_the_field_of_their_dtype(client: Client) -> None:
    sent = {f"in_{dtype}": samples(dtype) for dtype in DTYPES}
    for dtype in ("float64", "uint8", "int64"):
        sent[f"in_{dtype}"] = typed(samples(dtype))
    answer = client.predict("kinds", sent, outputs=("out_uint8", "out_float64"))
    assert list(answer.outputs["out_uint8"].int_val) == [0, 1, 3]
    assert list(answer.outputs["out_float64"].double_val) == [0, 1, 3]


def test_a_short_list_of_values_is_filled_with_the_last(client: Client) -> None:
    x = tensor_pb2.TensorProto(dtype="DT_FLOAT")
    x.tensor_shape.dim.add(size=2)
    x.tensor_shape.dim.add(size=2)
    x.float_val.extend([1.0, 3.0])
    answer = client.predict("half", {"x": x})
    assert list(answer.outputs["y"].float_val) == [2.5, 3.5, 3.5, 3.5]


def test_scalars_and_empty_tensors(client: Client) -> None:
    answer = client.predict("mixed", {"text": b"a\0"}, signature="scalar")
    assert answer.outputs["text_bytes"].string_val == [b"a\0"]
    assert not answer.outputs["text_bytes"].tensor_shape.dim
    answer = client.predict("half", {"x": np.zeros([0, 1], np.float32)})
    assert tf.make_ndarray(answer.outputs["y"]).shape == (0, 1)


@pytest.mark.parametrize(
    ("spec", "version", "expected"),
    [
        ({}, 12, 2.5),
        ({"version": 1}, 1, 1.5),
        ({"label": "stable"}, 12, 2.5),
        ({"label": "old"}, 1, 1.5),
        ({"signature": "serving_default"}, 12, 2.5),
    ],
)
def test_the_model_that_is_asked_for(
    client: Client, spec: dict[str, Any], version: int, expected: float
) -> None:
    answer = client.predict("half", {"x": np.float32([[1.0]])}, **spec)
    assert answer.outputs["y"].float_val == [expected]
    assert answer.model_spec.name == "half"
    assert answer.model_spec.version.value == version
    assert answer.model_spec.signature_name == "serving_default"


def test_output_filter(client: Client) -> None:
    inputs = {"text": np.array([b"ab"], object), "times": np.int32([4])}
    answer = client.predict("mixed", inputs, outputs=("twice",))
    assert list(answer.outputs) == ["twice"]
    assert answer.outputs["twice"].int_val == [8]
    assert len(client.predict("mixed", inputs).outputs) == 3


X = {"x": np.float32([[1.0]])}
INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (predict_pb2.PredictRequest(), INVALID, "Missing ModelSpec"),
        (request("", X), INVALID, "ModelSpec has no name specified."),
        (
            request("zz", X),
            NOT_FOUND,
            "Servable not found for request: Latest(zz)",
        ),
        (
            request("half", X, version=7),
            NOT_FOUND,
            "Servable not found for request: Specific(half, 7)",
        ),
        (
            request("half", X, label="x"),
            INVALID,
            "Unrecognized servable version label: x",
        ),
        (
            request("half", X, signature="nope"),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "nope" not found.',
        ),
        (
            request("half", {**X, "z": 1}),
            INVALID,
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
            "Sent extra: {z}. Missing but required: {}.",
        ),
        (
            request("mixed", {"text": b"a"}),
            INVALID,
            "input size does not match signature: 1!=2 len({text}) != "
            "len({text,times}). Sent extra: {}. Missing but required: {times}.",
        ),
        (
            request("half", X, outputs=("nope",)),
            INVALID,
            "output tensor alias not found in signature: nope Outputs expected to be "
            "in the set {y}.",
        ),
        (
            request("half", X, outputs=("y", "y")),
            INVALID,
            "duplicate output tensor alias: y",
        ),
        (
            request("half", {"x": np.float64([[1]])}),
            INVALID,
            "Expects input x to be float but double is provided",
        ),
    ],
)
def test_errors(
    client: Client,
    message: predict_pb2.PredictRequest,
    code: grpc.StatusCode,
    text: str,
) -> None:
    assert refused(lambda: client.prediction.Predict(message)) == (code, text)


def test_what_the_graph_refuses(client: Client) -> None:
    code, text = refused(
        lambda: client.predict("half", {"x": np.zeros([2, 2])}, signature="narrow")
    )
    assert code == INVALID
    assert text == "Expects input x to be float but double is provided"
    x = {"x": np.zeros([2, 2], np.float32)}
    code, text = refused(lambda: client.predict("half", x, signature="narrow"))
    assert code == INVALID
    assert "is not compatible with expected shape" in text


def test_long_names_are_cut_in_the_answer(client: Client) -> None:
    code, text = refused(lambda: client.predict("é" * 50_000, X))
    assert code == NOT_FOUND
    assert text.startswith("Servable not found for request: Latest(éé")
    assert len(text) == 1000


def test_metadata(client: Client, model_base: Path) -> None:
    message = get_model_metadata_pb2.GetModelMetadataRequest(
        metadata_field=["signature_def"]
    )
    message.model_spec.name = "half"
    message.model_spec.version_label = "old"
    answer = client.prediction.GetModelMetadata(message)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("half", 1)
    packed = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(packed)
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((model_base / "half" / "1" / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    assert set(packed.signature_def) == set(signatures)
    assert packed.signature_def["narrow"] == signatures["narrow"]


@pytest.mark.parametrize(
    ("name", "fields", "code", "text"),
    [
        (
            "half",
            [],
            INVALID,
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        ("half", ["x"], INVALID, "Metadata field x is not supported"),
        (
            "zz",
            ["signature_def"],
            NOT_FOUND,
            "Servable not found for request: Latest(zz)",
        ),
    ],
)
def test_metadata_errors(
    client: Client, name: str, fields: list[str], code: grpc.StatusCode, text: str
) -> None:
    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    message.model_spec.name = name
    call = client.prediction.GetModelMetadata
    assert refused(lambda: call(message)) == (code, text)


def test_status(client: Client) -> None:
    message = get_model_status_pb2.GetModelStatusRequest()
    message.model_spec.name = "half"
    states = client.model.GetModelStatus(message).model_version_status
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert [(s.version, s.state) for s in states] == [(12, available), (1, available)]
    assert (states[0].status.error_code, states[0].status.error_message) == (0, "")
    message.model_spec.version.value = 1
    assert [
        s.version for s in client.model.GetModelStatus(message).model_version_status
    ] == [1]
    message.model_spec.version.value = 7
    text = "Could not find version 7 of model half"
    assert refused(lambda: client.model.GetModelStatus(message)) == (NOT_FOUND, text)
    message = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "zz"})
    text = "Could not find any versions of model zz"
    assert refused(lambda: client.model.GetModelStatus(message)) == (NOT_FOUND, text)


def test_what_is_not_offered_says_so(client: Client) -> None:
    session_run = client.channel.unary_unary(
        "/tensorflow.serving.SessionService/SessionRun"
    )
    calls = [
        lambda: client.prediction.Classify(classification_pb2.ClassificationRequest()),
        lambda: client.prediction.Regress(regression_pb2.RegressionRequest()),
        lambda: client.prediction.MultiInference(inference_pb2.MultiInferenceRequest()),
        lambda: client.model.HandleReloadConfigRequest(
            model_management_pb2.ReloadConfigRequest()
        ),
        lambda: session_run(b""),
    ]
    for call in calls:
        code, text = refused(call)
        assert code == grpc.StatusCode.UNIMPLEMENTED
        assert "is not supported: " in text


def test_a_defect_is_told_and_survived(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("x")

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "predict", fail)
        code, text = refused(lambda: client.predict("half", X))
    assert code == grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError" in text
    assert '"event": "internal_error"' in capsys.readouterr().err
    assert client.predict("half", X).outputs["y"].float_val == [2.5]
