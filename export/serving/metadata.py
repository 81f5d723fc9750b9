"""A model's description, the response to a metadata request."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_serving.apis import get_model_metadata_pb2


def signature_defs(directory: Path) -> "get_model_metadata_pb2.SignatureDefMap":
    """Returns the signatures of a SavedModel as a SignatureDefMap.

    Args:
        directory: The SavedModel.
    """
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow_serving.apis import get_model_metadata_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((directory / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    return get_model_metadata_pb2.SignatureDefMap(signature_def=signatures)


def model_metadata(
    definitions: "get_model_metadata_pb2.SignatureDefMap", name: str, version: int
) -> bytes:
    """Returns a SavedModel's signatures as JSON, laid out like TensorFlow Serving's.

    Args:
        definitions: A SignatureDefMap.
        name: Of the model.
        version: Of the model.
    """
    from google.protobuf import json_format

    signatures = json_format.MessageToJson(
        definitions,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        indent=1,
    )
    spec = {"name": name, "signature_name": "", "version": str(version)}
    return (
        f'{{\n"model_spec":{json.dumps(spec, indent=1)}\n,\n'
        f'"metadata": {{"signature_def": {signatures}\n}}\n}}\n'
    ).encode()
