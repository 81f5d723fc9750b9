"""What cannot be converted is refused in one line, whatever a file claims."""

import resource
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.interop.addons.files import (
    function,
    graph,
    image,
    layer,
    stack,
    write_h5,
    write_saved_model,
)
from tfgan_models.errors import UsageError
from tfgan_models.interop import addons

DENSE = stack(image(3), layer("Dense", "d", units=2))
KERNEL, BIAS = np.ones((3, 2), "float32"), np.zeros(2, "float32")
WEIGHTS = {"d": [("kernel", KERNEL), ("bias", BIAS)]}


def refusal(path: Path) -> str:
    """What `load` says; one line, and no memory taken for it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError) as error:
        addons.load(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000  # KB
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.h5"


def test_what_the_others_are_changed_from(file: Path) -> None:
    network = addons.load(write_h5(file, DENSE, WEIGHTS)).networks["model"]
    np.testing.assert_array_equal(network(np.ones((1, 3))), [[3, 3]])


def test_all_unknown_layers_are_named(file: Path) -> None:
    code = [
        "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQAAAHIB",
        None,
    ]
    config = stack(
        image(3),
        layer("Lambda", "mine", function=code, module="os", function_type="lambda"),
        layer("Custom>Attention", "attend"),
        layer("Dense", "d", units=2, activation="my_activation"),
        layer("BatchNormalization", "b", renorm=True),
        layer("Addons>SpectralNormalization", "s", layer=layer("LSTM", "l")),
    )
    said = refusal(write_h5(file, config))
    for named in (
        "layer 'mine' (Lambda)",
        "layer 'attend' (Custom>Attention)",
        "layer 'd' (Dense with activation 'my_activation')",
        "layer 'b' (BatchNormalization with 'renorm')",
        "layer 's' (Addons>SpectralNormalization of LSTM)",
    ):
        assert named in said


def test_unknown_function_and_node(file: Path) -> None:
    config = graph(
        [image(3)],
        function("f", "io.write_file", ["image", 0, 0, {"contents": "x"}]),
        layer("TensorFlowOpLayer", "n", node_def={"op": "PyFunc"}),
        outputs=[("n", 0, 0)],
    )
    said = refusal(write_h5(file, config))
    assert "layer 'f' (TFOpLambda of tf.io.write_file)" in said
    assert "layer 'n' (TensorFlowOpLayer of PyFunc)" in said


def test_many_unknown_layers_are_counted(file: Path) -> None:
    config = stack(image(3), *(layer("Lambda", f"l{i}") for i in range(20)))
    said = refusal(write_h5(file, config))
    assert "layer 'l7' (Lambda) and 12 more" in said


def test_layer_always_in_training(file: Path) -> None:
    drop = layer("Dropout", "d", rate=0.5)
    drop["inbound_nodes"] = [[["image", 0, 0, {"training": True}]]]
    config = graph([image(3)], drop, outputs=[("d", 0, 0)])
    said = refusal(write_h5(file, config))
    assert "layer 'd' (Dropout called with training=True)" in said


def test_model_of_own_class(file: Path, tmp_path: Path) -> None:
    own = {"class_name": "MyGenerator", "config": {}}
    assert "class 'MyGenerator'" in refusal(write_h5(file, own))
    folder = write_saved_model(tmp_path / "saved", DENSE, {})
    (folder / "keras_metadata.pb").write_bytes(b"")
    assert "no description of a Keras model" in refusal(folder)


def test_weights_alone(file: Path) -> None:
    with h5py.File(file, "w") as opened:
        opened.create_group("d")
    assert "holds weights without their model" in refusal(file)


def test_other_files(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.h5")
    assert "no saved_model.pb" in refusal(tmp_path)
    keras_file = tmp_path / "m.keras"
    with zipfile.ZipFile(keras_file, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "zip archive, like .keras files" in refusal(keras_file)
    text = tmp_path / "text.h5"
    text.write_text("text")
    assert "neither a .h5 file" in refusal(text)


@pytest.mark.parametrize("kept", [8, 100, 2000])
def test_truncated(file: Path, kept: int) -> None:
    write_h5(file, DENSE, WEIGHTS)
    file.write_bytes(file.read_bytes()[:kept])
    assert "is damaged" in refusal(file)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "not valid JSON"),
        ("[" * 60_000, "not valid JSON"),
        ('{"a":' * 12_000, "not valid JSON"),
        ("1" * 5000, "not valid JSON"),
        ("[]", "class None"),
        ('{"class_name": "Sequential", "config": {"layers": 3}}', "malformed"),
        ('{"class_name": "Sequential", "config": {"layers": []}}', "malformed"),
        ('{"class_name": "Sequential", "config": {"layers": [[]]}}', "malformed"),
        ('{"class_name": "Functional", "config": {"layers": [{}]}}', "malformed"),
    ],
)
def test_malformed_description(file: Path, config: str, said: str) -> None:
    assert said in refusal(write_h5(file, config))


def test_models_nested_without_end(file: Path) -> None:
    config: Any = DENSE
    for _ in range(60):
        config = stack(image(3), config)
    assert "nests more than 50" in refusal(write_h5(file, config))


def test_models_called_without_end(file: Path) -> None:
    config = stack(layer("ReLU", "r"))
    for i in range(40):
        inner = {**config, "name": f"n{i}"}
        calls = [[["image", 0, 0, {}]], [[f"n{i}", 0 if i == 0 else 1, 0, {}]]]
        config = graph([image(3)], outputs=[(f"n{i}", 1 if i == 0 else 2, 0)])
        config["config"]["layers"].append({**inner, "inbound_nodes": calls})
    assert "calls layers more than" in refusal(write_h5(file, config))


def test_layers_that_wait_for_each_other(file: Path) -> None:
    a, b = layer("ReLU", "a"), layer("ReLU", "b")
    a["inbound_nodes"], b["inbound_nodes"] = [[["b", 0, 0, {}]]], [[["a", 0, 0, {}]]]
    config = graph([image(3)], a, b, outputs=[("b", 0, 0)])
    assert "called with a tensor that the file does not have" in refusal(
        write_h5(file, config)
    )


def test_output_that_is_not_there(file: Path) -> None:
    config = graph([image(3)], layer("ReLU", "a"), outputs=[("a", 0, 7)])
    assert "which no layer has" in refusal(write_h5(file, config))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"d": [("kernel", KERNEL)]}, "are not those of its description: kernel;"),
        ({"d": [("bias", BIAS), ("kernel", KERNEL)]}, "expected kernel, bias"),
        ({}, "'d' is missing"),
        ({**WEIGHTS, "e": []}, "different layers: e"),
        (
            {"d": [("kernel", KERNEL.T), ("bias", BIAS)]},
            r"has shape (2, 3) in the file; its description needs (3, 2)",
        ),
        (
            {"d": [("kernel", KERNEL.astype("S")), ("bias", BIAS)]},
            "is not an array of numbers",
        ),
    ],
)
def test_weights_that_do_not_fit(file: Path, weights: Any, said: str) -> None:
    assert said in refusal(write_h5(file, DENSE, weights))


@pytest.mark.parametrize("units", [10**10, -1, 2.5, "2", None, [2]])
def test_sizes_that_the_file_does_not_have(file: Path, units: Any) -> None:
    config = stack(image(3), layer("Dense", "d", units=units))
    said = refusal(write_h5(file, config, WEIGHTS))
    assert said.startswith(
        ("Weight kernel of layer 'd'", "Layer 'd' (Dense) cannot be")
    )


@pytest.mark.parametrize("kind", ["Conv2D", "Conv2DTranspose", "SeparableConv2D"])
def test_filters_that_the_file_does_not_have(file: Path, kind: str) -> None:
    conv = layer(kind, "c", filters=10**9, kernel_size=[3, 3], use_bias=False)
    names = ["kernel"]
    if kind == "SeparableConv2D":
        names = ["depthwise_kernel", "pointwise_kernel"]
    shape = (3, 3, 2, 1) if kind == "SeparableConv2D" else (3, 3, 2, 2)
    weights = {"c": [(name, np.ones(shape)) for name in names]}
    said = refusal(write_h5(file, stack(image(8, 8, 2), conv), weights))
    assert said.startswith(f"Weight {names[-1]} of layer 'c'")


@pytest.mark.parametrize("paddings", [[[0, "1"]], [[0, 0], [[], 0]], 3, [[0, 1.5]]])
def test_paddings_that_are_no_numbers(file: Path, paddings: Any) -> None:
    node = ["image", 0, 0, {"paddings": paddings}]
    pad = function("p", "compat.v1.pad", node)
    config = graph([image(3)], pad, outputs=[("p", 0, 0)])
    said = refusal(write_h5(file, config))
    assert "Layer 'p' (TFOpLambda) cannot be rebuilt" in said


@pytest.mark.parametrize("node", [[["image", [], 0, {}]], [["image", 0, {}, {}]], 3])
def test_references_that_are_none(file: Path, node: Any) -> None:
    relu = {**layer("ReLU", "r"), "inbound_nodes": [node]}
    config = graph([image(3)], relu, outputs=[("r", 0, 0)])
    assert refusal(write_h5(file, config))


def test_arguments_that_do_not_fit(file: Path) -> None:
    config = stack(image(8, 8, 2), layer("MaxPooling2D", "p", pool_size="large"))
    assert "Layer 'p' (MaxPooling2D) cannot be rebuilt" in refusal(
        write_h5(file, config)
    )


def _fill(group: h5py.Group) -> None:
    group.create_dataset("d/kernel:0", (10**9, 3), "f4", chunks=(1000, 3), fillvalue=1)


def _bomb(group: h5py.Group) -> None:
    zeros = np.zeros((3, 10**6), "f4")
    group.create_dataset("d/kernel:0", data=zeros, compression="gzip")


def _soft(group: h5py.Group) -> None:
    group["d/kernel:0"] = h5py.SoftLink("/elsewhere")


def _external_link(group: h5py.Group) -> None:
    group["d/kernel:0"] = h5py.ExternalLink("/etc/passwd", "/")


def _external_data(group: h5py.Group) -> None:
    external = [("/etc/passwd", 0, 24)]
    group.create_dataset("d/kernel:0", (3, 2), "f4", external=external)


def _virtual(group: h5py.Group) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 2))
    group.create_virtual_dataset("d/kernel:0", layout)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_fill, "declares more than it holds"),
        (_bomb, "declares more than it holds"),
        (_soft, "a link elsewhere"),
        (_external_link, "a link elsewhere"),
        (_external_data, "stored in another file"),
        (_virtual, "stored in another file"),
    ],
)
def test_arrays_that_are_not_in_the_file(file: Path, make: Any, said: str) -> None:
    write_h5(file, DENSE, WEIGHTS)
    with h5py.File(file, "r+") as opened:
        group = opened["model_weights/d"]
        del group["d/kernel:0"]
        make(group)
    assert said in refusal(file)


def test_one_array_named_many_times(file: Path) -> None:
    names = [f"d{i}" for i in range(100)]
    config = stack(image(300), *(layer("Dense", n, units=300) for n in names))
    write_h5(file, config, {n: [] for n in names})
    with h5py.File(file, "r+") as opened:
        kernel = opened.create_dataset("kernel", data=np.ones((300, 300), "f4"))
        bias = opened.create_dataset("bias", data=np.ones(300, "f4"))
        for name in names:
            group = opened["model_weights"][name]
            group.attrs["weight_names"] = ["kernel:0", "bias:0"]
            group["kernel:0"], group["bias:0"] = kernel, bias
    assert "declares more than it holds" in refusal(file)


def test_variables_cut_off(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", DENSE, WEIGHTS)
    (data,) = (folder / "variables").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:10])
    said = refusal(folder)
    assert "is damaged" in said
    data.unlink()
    assert "is damaged" in refusal(folder)


def test_variables_of_no_layer_or_missing(tmp_path: Path) -> None:
    more = {"d": [*WEIGHTS["d"], ("extra", BIAS)]}
    folder = write_saved_model(tmp_path / "more", DENSE, more)
    assert "belong to no layer of its description: layer-0/extra" in refusal(folder)
    folder = write_saved_model(tmp_path / "less", DENSE, {"d": WEIGHTS["d"][:1]})
    assert "has no 'bias' of layer 'd' (Dense)" in refusal(folder)


def test_descriptions_that_are_no_messages(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "m", DENSE, WEIGHTS)
    (folder / "keras_metadata.pb").write_bytes(b"\xff\xff\xff\xff\x01")
    assert "its description is unreadable" in refusal(folder)
    (folder / "keras_metadata.pb").unlink()
    (folder / "saved_model.pb").write_bytes(b"\xff\xff\xff\xff\x01")
    assert "its description is unreadable" in refusal(folder)
