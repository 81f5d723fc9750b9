"""TensorFlow Serving's own files in a model folder, as the endpoint reads them.

`<model_base>/models.config` says which versions of each model are served and their
labels; `<version>/batching_params.pbtxt` says how requests for it are batched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from tfgan_models.errors import UsageError

if TYPE_CHECKING:
    from tensorflow_serving.config import model_server_config_pb2

MODELS_CONFIG = "models.config"
BATCHING = "batching_params.pbtxt"


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions of a model are served, and their labels.

    Args:
        latest: This many of the newest; None: all.
        specific: Exactly these, as far as they exist; None: by `latest`.
        labels: Label -> version.
    """

    latest: int | None = 1
    specific: frozenset[int] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)

    def aspired(self, found: Iterable[int]) -> frozenset[int]:
        """Returns those of the versions `found` that should be served."""
        if self.specific is not None:
            return self.specific & set(found)
        return frozenset(sorted(found, reverse=True)[: self.latest])


@dataclass(frozen=True)
class BatchingParameters:
    """A model's batching parameters; the defaults are TensorFlow Serving's.

    Args:
        max_batch_size: Examples in one call of the model; larger requests are refused.
        batch_timeout_micros: How long an incomplete batch waits for more.
        max_enqueued_batches: Full batches that may wait.
        num_batch_threads: Batches that run at once; None: the endpoint's threads.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int | None = None


def read(model_base: Path) -> dict[str, VersionPolicy]:
    """Reads `models.config`; a model not in it has the default policy.

    The file may be the one that TensorFlow Serving is started with: its
    `base_path`s, which are a container's, are ignored.

    Args:
        model_base: May hold the file.

    Returns:
        Model name -> policy; {} where there is no file.

    Raises:
        UsageError: TensorFlow Serving would not accept the file.
    """
    from tensorflow_serving.config import model_server_config_pb2

    path = model_base / MODELS_CONFIG
    config = model_server_config_pb2.ModelServerConfig()
    if not _parse(path, config):
        return {}
    if not config.HasField("model_config_list"):
        raise UsageError(f"{path} has no model_config_list. Rewrite it.")
    policies: dict[str, VersionPolicy] = {}
    for model in config.model_config_list.config:
        if not model.name or model.name in policies:
            raise UsageError(
                f"{path}: each config needs a unique name. Received: {model.name!r}"
            )
        policies[model.name] = _policy(model)
    return policies


def batching_parameters(directory: Path) -> BatchingParameters | None:
    """Reads a version's `batching_params.pbtxt`; None if it has none.

    Args:
        directory: The SavedModel.

    Raises:
        UsageError: TensorFlow Serving would not accept the file.
    """
    path = directory / BATCHING
    message = _batching_message()
    if not _parse(path, message, unknown=True):
        return None
    values = {field.name: value.value for field, value in message.ListFields()}
    for name, value in values.items():
        if value < (0 if name == "batch_timeout_micros" else 1):
            raise UsageError(f"{path}: {name} must be positive. Received: {value}")
    return BatchingParameters(**values)


def _parse(path: Path, message: Message, unknown: bool = False) -> bool:
    """Reads a text proto; False if there is no such file."""
    from google.protobuf import text_format

    try:
        text = path.read_text()
        text_format.Parse(text, message, allow_unknown_field=unknown)
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UsageError(f"{path} cannot be read: {reason}. Rewrite it.") from error
    return True


def _policy(model: "model_server_config_pb2.ModelConfig") -> VersionPolicy:
    labels = dict(model.version_labels)
    policy = model.model_version_policy
    chosen = policy.WhichOneof("policy_choice")
    if chosen == "all":
        return VersionPolicy(latest=None, labels=labels)
    if chosen == "specific":
        return VersionPolicy(
            specific=frozenset(policy.specific.versions), labels=labels
        )
    return VersionPolicy(latest=max(policy.latest.num_versions, 1), labels=labels)


def _batching_message() -> Message:
    """An empty message with the fields of `BatchingParameters`.

    tensorflow-serving-api has no session_bundle_config.proto, where they are defined.
    """
    from google.protobuf import (
        descriptor_pb2,
        descriptor_pool,
        message_factory,
        wrappers_pb2,
    )

    wrappers = wrappers_pb2.DESCRIPTOR
    file = descriptor_pb2.FileDescriptorProto(
        name="batching_parameters.proto", dependency=[wrappers.name]
    )
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(BatchingParameters.__dataclass_fields__, start=1):
        message.field.add(
            name=name,
            number=number,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            type_name="google.protobuf.Int64Value",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers.serialized_pb)
    pool.Add(file)
    found = pool.FindMessageTypeByName(message.name)
    return message_factory.GetMessageClass(found)()
