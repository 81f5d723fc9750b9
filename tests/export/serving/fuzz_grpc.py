"""Broken gRPC messages: tensors that are not what they claim, specs of nothing."""

import random
from collections.abc import Callable

from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from tests.export.serving.fuzz import Grpc
from tests.export.serving.fuzz_images import PNG, PREDICT

SERVICE = PREDICT.rpartition("/")[0]
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
METADATA = f"{SERVICE}/GetModelMetadata"
OTHERS = (
    *(f"{SERVICE}/Classify", f"{SERVICE}/Regress", f"{SERVICE}/MultiInference"),
    *("/tensorflow.serving.ModelService/HandleReloadConfigRequest", f"{SERVICE}/No"),
    *("/tensorflow.serving.SessionService/SessionRun", "/nobody/Predict", "/x", "/"),
)
HUGE = (
    *((2**40,), (2**62,), (2**32, 2**32), (2**63 - 1, 2), (-1,), (-5, 3), (-(2**63),)),
    *((1, 2**31, 2**31, 3), (1, 65_536, 65_536, 3), (0, 2**62, 3), (3_000_000_000,)),
    *((1,) * 255, (1,) * 300, (2,) * 63, (1, -1, 4, 3), (1, 30_000, 30_000, 3)),
)
NAMES = ("", "nobody", "Half", "half/1", "../half", "\0", "☃", "n" * 100_000)


def good(model: str) -> predict_pb2.PredictRequest:
    """Returns a valid request.

    Args:
        model: "half", "photo" (a 4 x 4 image), "encoded" (of photo) or "mixed".
    """
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "photo" if model == "encoded" else model
    if model == "half":
        _set(message, "x", types_pb2.DT_FLOAT, (2,)).float_val.extend([1.0, 2.0])
    elif model == "photo":
        tensor = _set(message, "image", types_pb2.DT_FLOAT, (1, 4, 4, 3))
        tensor.tensor_content = bytes(4 * 4 * 4 * 3)
    elif model == "encoded":
        message.model_spec.signature_name = "encoded"
        tensor = _set(message, "image_bytes", types_pb2.DT_STRING, (1,))
        tensor.string_val.append(PNG)
    else:
        _set(message, "text", types_pb2.DT_STRING, (1,)).string_val.append(b"a")
        _set(message, "times", types_pb2.DT_INT32, (1,)).int_val.append(2)
    return message


def claims(rng: random.Random) -> Grpc:
    """Tensors with a shape that their values do not have, most of them huge."""
    message, tensor = _one(rng)
    shape = rng.choice(HUGE)
    del tensor.tensor_shape.dim[:]
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    if rng.random() < 0.3:
        tensor.tensor_content = rng.randbytes(rng.choice((0, 1, 4, 48, 1000)))
    # A zero size is a tensor of no values, which some signatures take.
    one = len(shape) <= 254 and (not all(shape) or set(shape) == {1})
    return Grpc("grpc claims", PREDICT, message.SerializeToString(), harmless=one)


def wrong_tensor(rng: random.Random) -> Grpc:
    """Tensors of other types, lengths and fields."""
    message, tensor = _one(rng)
    match rng.randrange(6):
        case 0:
            tensor.dtype = rng.choice((0, 7, 14, 19, 20, 21, 101, 123, 3, 8, 9, 10, 2))
        case 1:
            tensor.tensor_content = rng.randbytes(rng.randint(1, 1000))
        case 2:
            tensor.tensor_shape.unknown_rank = True
        case 3:
            tensor.float_val.extend([1.0] * rng.choice((1, 1000, 100_000)))
        case 4:
            dims = tensor.tensor_shape.dim
            del dims[rng.randrange(len(dims)) :]
        case _:
            tensor.version_number = rng.choice((-1, 7, 2**31 - 1))
            tensor.string_val.append(rng.randbytes(10))
    return Grpc("grpc tensor", PREDICT, message.SerializeToString(), harmless=True)


def wrong_inputs(rng: random.Random) -> Grpc:
    """Inputs that are missing, or that nobody asked for."""
    message, _ = _one(rng)
    name = rng.choice(list(message.inputs))
    if rng.random() < 0.5:
        message.inputs[rng.choice(("", "nobody", "\0", "n" * 10_000))].CopyFrom(
            message.inputs[name]
        )
    del message.inputs[name]
    return Grpc("grpc inputs", PREDICT, message.SerializeToString())


def wrong_spec(rng: random.Random) -> Grpc:
    """Models, versions, labels and signatures that are not there."""
    message, _ = _one(rng)
    spec = message.model_spec
    match rng.randrange(5):
        case 0:
            spec.name = rng.choice(NAMES)
        case 1:
            spec.version.value = rng.choice((-1, 0, 99, 2**63 - 1, -(2**63)))
        case 2:
            spec.version_label = rng.choice(NAMES[1:])
        case 3:
            spec.signature_name = rng.choice(NAMES[1:])
        case _:
            message.output_filter.extend(rng.choice((["nobody"], [""], ["☃"] * 1000)))
    if rng.random() < 0.7 or message.output_filter:
        return Grpc("grpc spec", PREDICT, message.SerializeToString())
    request = (
        get_model_status_pb2.GetModelStatusRequest()
        if rng.random() < 0.5
        else get_model_metadata_pb2.GetModelMetadataRequest()
    )
    request.model_spec.CopyFrom(spec)
    is_status = isinstance(request, get_model_status_pb2.GetModelStatusRequest)
    if not is_status:
        request.metadata_field.append(rng.choice(("", "nobody", "signature_def")))
    # The signature's name means nothing here.
    harmless = bool(spec.signature_name) or (is_status and bool(spec.version_label))
    method = STATUS if is_status else METADATA
    return Grpc("grpc spec", method, request.SerializeToString(), harmless)


def garbage(rng: random.Random) -> Grpc:
    """What is no message, or one with some bytes changed; methods that are not."""
    message = bytearray(_one(rng)[0].SerializeToString())
    match rng.randrange(4):
        case 0:
            method = rng.choice(OTHERS)
            return Grpc("grpc method", method, bytes(message), garbage=True)
        case 1:
            message = bytearray(rng.randbytes(rng.randint(1, 2000)))
        case 2:
            del message[rng.randrange(1, len(message)) :]
        case _:
            for _ in range(rng.randint(1, 6)):
                message[rng.randrange(len(message))] = rng.randrange(256)
    method = rng.choice((PREDICT, PREDICT, PREDICT, STATUS, METADATA))
    return Grpc("grpc garbage", method, bytes(message), harmless=True, garbage=True)


KINDS: tuple[Callable[[random.Random], Grpc], ...] = (
    *(claims, wrong_tensor, wrong_inputs, wrong_spec, garbage),
)


def _one(
    rng: random.Random,
) -> tuple[predict_pb2.PredictRequest, tensor_pb2.TensorProto]:
    message = good(rng.choice(("half", "photo", "encoded", "mixed")))
    return message, message.inputs[rng.choice(sorted(message.inputs))]


def _set(
    message: predict_pb2.PredictRequest,
    name: str,
    dtype: int,
    shape: tuple[int, ...],
) -> tensor_pb2.TensorProto:
    tensor = message.inputs[name]
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor
