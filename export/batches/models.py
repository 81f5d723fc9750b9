"""An exported model in Apache Beam's RunInference."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from apache_beam.ml.inference.base import ModelHandler

from export.command import quiet_tensorflow
from export.serving.tf_messages import plain
from export.signatures.image_signature import SIGNATURE, image_signature
from tfgan_models.errors import UsageError

if TYPE_CHECKING:
    import tensorflow as tf

IMAGES_AT_ONCE = 8
"""Images in memory at once, each with its result."""


class Answer(NamedTuple):
    """A model's result for an image: a PNG file, or why there is none."""

    picture: bytes | None
    fault: str | None


class ModelFiles(NamedTuple):
    """A SavedModel, and the names of its signature's input and output."""

    directory: str
    input: str
    output: str


def find(given: str) -> ModelFiles:
    """Finds an exported model that takes images, without loading it.

    Args:
        given: The folder of saved_model.pb, or one of numeric versions, of which the
            newest is used; on any file system that TensorFlow reads.

    Raises:
        UsageError: It is not such a model.
    """
    quiet_tensorflow()
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

    directory = _newest(given.rstrip("/"))
    try:
        with tf.io.gfile.GFile(f"{directory}/saved_model.pb", "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
    except (tf.errors.OpError, ValueError) as error:
        raise UsageError(
            f"--model={given} is not an exported model. Give the folder of "
            "saved_model.pb, such as models/mine_a2b/1"
        ) from error
    signatures = {
        name: signature
        for graph in saved.meta_graphs
        for name, signature in graph.signature_def.items()
    }
    asked = signatures.get(SIGNATURE) or meta_graph_pb2.SignatureDef()
    found = image_signature(
        f"--model={given}",
        signatures,
        {n: types_pb2.DataType.Name(i.dtype) for n, i in asked.inputs.items()},
        asked.outputs,
    )
    return ModelFiles(directory, found.input, found.output)


def _newest(directory: str) -> str:
    import tensorflow as tf

    if tf.io.gfile.exists(f"{directory}/saved_model.pb"):
        return directory
    if not tf.io.gfile.isdir(directory):
        return directory
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(directory))
    versions = [
        name
        for name in names
        if name.isdecimal() and tf.io.gfile.exists(f"{directory}/{name}/saved_model.pb")
    ]
    return f"{directory}/{max(versions, key=int)}" if versions else directory


class ImageHandler(ModelHandler[bytes, Answer, "tf.Module"]):
    """Loads a SavedModel once per process and runs it on image files.

    Args:
        model: The SavedModel.
    """

    def __init__(self, model: ModelFiles) -> None:
        super().__init__(min_batch_size=1, max_batch_size=IMAGES_AT_ONCE)
        self._model = model

    def load_model(self) -> "tf.Module":
        """Loads it."""
        quiet_tensorflow()
        import tensorflow as tf

        return tf.saved_model.load(self._model.directory)

    def run_inference(
        self,
        batch: Sequence[bytes],
        model: "tf.Module",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[Answer]:
        """Runs each image by itself: a bad one does not affect the others.

        The signature processes them one at a time in any case.
        """
        del inference_args
        return (self._answer(picture, model) for picture in batch)

    def _answer(self, picture: bytes, model: "tf.Module") -> Answer:
        import tensorflow as tf

        try:
            given = {self._model.input: tf.constant([picture])}
            answer = model.signatures[SIGNATURE](**given)[self._model.output]
        except tf.errors.OpError as error:
            return Answer(None, plain(error.message))
        return Answer(answer.numpy()[0], None)

    def get_num_bytes(self, batch: Sequence[bytes]) -> int:
        """Returns the size of a batch's files."""
        return sum(map(len, batch))
