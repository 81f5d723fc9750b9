"""What is left of TensorFlow's error messages."""

import pytest
import tensorflow as tf

from export.serving.tf_messages import in_words, plain


@tf.function
def refuse(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_all(x > 0.0), ["x must be above 0. Found:", x])]
    ):
        return tf.identity(x)


@tf.function
def refuse_in_tensorflows_words(x: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.assert_positive(x, "Too small")]):
        return tf.identity(x)


def test_assertions() -> None:
    for function, told in (
        (refuse, "x must be above 0. Found: -1 2"),
        (refuse_in_tensorflows_words, "Too small."),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            function(tf.constant([-1.0, 2.0]))
        assert plain(caught.value.message) == told


def test_several_errors() -> None:
    message = (
        "Graph execution error:\n\n2 root error(s) found.\n  (0) INVALID_ARGUMENT:  "
        "assertion failed: [No image.]\n\t [[{{node a/Assert}}]]\n"
        "  (1) INVALID_ARGUMENT:  assertion failed: [No image.]\n"
    )
    assert plain(message) == "No image."
    assert plain("\n") == "The model failed."


def test_any_exception() -> None:
    where = (
        "Graph execution error:\n\nDetected at node init defined at (most recent call "
        'last):\n<stack traces unavailable>\n  File "x.py", line 1\n'
    )
    assert in_words(OSError(f"{where}words; No such file")) == "words; No such file"
    assert in_words(ValueError("File system scheme 'x' is unknown\nMore.")) == (
        "File system scheme 'x' is unknown"
    )
    assert in_words(KeyError()) == "KeyError"
