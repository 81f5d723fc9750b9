"""What TensorFlow Serving's REST API answers, case by case: rest_cases.json."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from export.serving import rest, rest_writer
from export.serving.rest_target import Target, parse_target
from export.serving.status import ServingError
from tests.export.serving.http import Client, serve

CASES = json.loads((Path(__file__).parent / "rest_cases.json").read_text("utf-8"))


def half_plus_two(directory: Path) -> None:
    """Half plus two as TensorFlow 1 saved it, with signatures of every method."""
    v1 = tf.compat.v1
    info, define = (
        v1.saved_model.build_tensor_info,
        v1.saved_model.build_signature_def,
    )
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 1])
        y = 0.5 * x + 2.0
        signatures = {
            name: define({"x": info(x)}, {"y": info(y)}, f"tensorflow/serving/{method}")
            for name, method in (
                ("serving_default", "predict"),
                ("classify_x_to_y", "classify"),
                ("regress_x_to_y", "regress"),
            )
        }
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    base = tmp_path_factory.mktemp("cases")
    half_plus_two(base / "M" / "123")
    (base / "models.config").write_text(
        'model_config_list { config { name: "M" '
        "model_version_policy { specific { versions: 123 } } "
        'version_labels { key: "Version_Label" value: 123 } } }'
    )
    with serve(base) as served:
        yield served


def title(case: dict[str, Any]) -> str:
    return f"{case.get('method', '')} {case.get('path', case.get('body', ''))[:60]}"


@pytest.mark.parametrize("case", CASES["http"], ids=title)
def test_http(client: Client, case: dict[str, Any]) -> None:
    body, headers = case["body"].encode(), case.get("headers", {})
    if case.get("gzip"):
        body, headers = gzip.compress(body), {"content-encoding": "gzip"}
    response = client.request(
        case["method"], case["path"], content=body, headers=headers
    )
    assert response.status_code == case["status"], response.text
    if "html" in case:
        assert response.headers["content-type"].startswith("text/html")
        return
    assert response.headers["content-type"] == "application/json"
    if "text" in case:
        assert response.text == case["text"]
    elif "answer" in case:
        assert response.json() == case["answer"]
    else:
        assert list(response.json()) == ["error"]
        message = response.json()["error"]
        if "error" in case:
            assert message == case["error"]
        else:
            assert case["contains"] in message


@pytest.mark.parametrize("case", CASES["decode"], ids=title)
def test_decode(case: dict[str, Any]) -> None:
    body = case["body"].encode()
    if "error" in case:
        with pytest.raises(ServingError) as caught:
            rest.decode_inputs(rest.parse_body(body), case["inputs"])
        assert caught.value.message == case["error"]
        assert caught.value.code.name == case["code"]
        return
    inputs, row = rest.decode_inputs(rest.parse_body(body), case["inputs"])
    assert row == ("instances" in case["body"])
    assert inputs.keys() == case["tensors"].keys()
    for name, expected in case["tensors"].items():
        np.testing.assert_array_equal(
            inputs[name], tensor({"dtype": case["inputs"][name], **expected})
        )
        assert inputs[name].shape == tuple(expected["shape"])


def tensor(described: dict[str, Any]) -> np.ndarray:
    values, dtype = described["values"], described["dtype"]
    if dtype == "string":
        array = np.empty(len(values), object)
        array[:] = [value.encode() for value in values]
    else:
        array = np.array([float(v) if isinstance(v, str) else v for v in values])
        array = array.astype(dtype)
    return array.reshape(described["shape"])


@pytest.mark.parametrize("case", CASES["encode"], ids=lambda case: str(case)[:70])
def test_encode(case: dict[str, Any]) -> None:
    outputs = {name: tensor(output) for name, output in case["outputs"].items()}
    if "error" in case:
        with pytest.raises(ServingError) as caught:
            rest_writer.encode_outputs(outputs, case["is_row"])
        assert caught.value.message == case["error"]
        return
    if "answer" in case:
        written = rest_writer.encode_outputs(outputs, row=True)
        assert json.loads(written) == case["answer"]
    for key in {"row", "column"} & case.keys():
        written = rest_writer.encode_outputs(outputs, row=key == "row")
        assert written.decode() == case[key]


@pytest.mark.parametrize("case", CASES["paths"], ids=title)
def test_paths(case: dict[str, Any]) -> None:
    target = Target(case["action"], case["name"], case["version"], case["label"])
    assert parse_target(case["method"], case["path"]) == target
