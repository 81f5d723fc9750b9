"""The files of TensorFlow Serving's that the endpoint reads."""

from pathlib import Path

import pytest

from export.serving import server_config
from export.serving.server_config import BatchingParameters, VersionPolicy
from tfgan_models.errors import UsageError

CONFIG = """
# As TensorFlow Serving reads it.
model_config_list {
  config { name: "plain" base_path: "/models/plain" model_platform: "tensorflow" }
  config {
    name: "two" base_path: "/models/two"
    model_version_policy { latest { num_versions: 2 } }
    version_labels { key: "stable" value: 7 }
    version_labels { key: "canary" value: 9 }
  }
  config { name: "every" model_version_policy { all {} } }
  config { name: "some" model_version_policy { specific { versions: 1 versions: 4 } } }
}
"""


def test_policies_and_labels(tmp_path: Path) -> None:
    assert server_config.read(tmp_path) == {}
    (tmp_path / "models.config").write_text(CONFIG)
    assert server_config.read(tmp_path) == {
        "plain": VersionPolicy(),
        "two": VersionPolicy(latest=2, labels={"stable": 7, "canary": 9}),
        "every": VersionPolicy(latest=None),
        "some": VersionPolicy(specific=frozenset({1, 4})),
    }


@pytest.mark.parametrize(
    ("policy", "aspired"),
    [
        (VersionPolicy(), {12}),
        (VersionPolicy(latest=2), {9, 12}),
        (VersionPolicy(latest=None), {1, 9, 12}),
        (VersionPolicy(specific=frozenset({1, 7})), {1}),
    ],
)
def test_the_versions_of_a_policy(policy: VersionPolicy, aspired: set[int]) -> None:
    assert policy.aspired([1, 12, 9]) == aspired
    assert policy.aspired([]) == set()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "has no model_config_list"),
        ("model_config_list { config { nme: 'x' } }", "no field named"),
        ("model_config_list {", "cannot be read"),
        ("model_config_list { config { base_path: '/x' } }", "Received: ''"),
        ("model_config_list { config { name: 'a' } config { name: 'a' } }", "'a'"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_bad_config(tmp_path: Path, text: str | bytes, error: str) -> None:
    contents = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "models.config").write_bytes(contents)
    with pytest.raises(UsageError, match=error) as raised:
        server_config.read(tmp_path)
    assert str(tmp_path / "models.config") in str(raised.value)


def test_batching_parameters(tmp_path: Path) -> None:
    assert server_config.batching_parameters(tmp_path) is None
    path = tmp_path / "batching_params.pbtxt"
    path.write_text("max_batch_size { value: 8 }  # Examples.\n")
    assert server_config.batching_parameters(tmp_path) == BatchingParameters(8)
    path.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 0 }\n"
        "max_enqueued_batches { value: 100 } num_batch_threads { value: 2 }\n"
        "allowed_batch_sizes: 4 allowed_batch_sizes: 8 thread_pool_name { value: 'x' }"
    )
    assert server_config.batching_parameters(tmp_path) == BatchingParameters(
        8, 0, 100, 2
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("max_batch_size: 8", "cannot be read"),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive"),
    ],
)
def test_bad_batching_parameters(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "batching_params.pbtxt").write_text(text)
    with pytest.raises(UsageError, match=error):
        server_config.batching_parameters(tmp_path)
