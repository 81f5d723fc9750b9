"""Captions as numbers, and the loss that makes encoders match."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgan_models import text_matching
from tfgan_models.networks.text_encoder import ALPHABET, SPACE


def plain_characters(caption: bytes, length: int) -> list[int]:
    """The same in Python."""
    known = ALPHABET.encode()
    numbers = [
        SPACE + known.index(byte) if byte in known else SPACE
        for byte in caption.strip(b" \t\n\r\v\f").lower()[:length]
    ]
    return numbers + [0] * (length - len(numbers))


CAPTIONS = [
    "red heart",
    "  Red HEART!\n",
    "",
    "Piñata — “quoted”",
    "x" * 30,
    "tab\tand\nline",
    "0123456789",
    "日本",
    ALPHABET,
]


@pytest.mark.parametrize("length", [4, 12, 100])
def test_characters_in_a_graph_and_in_python(length: int) -> None:
    graph = tf.function(lambda x: text_matching.characters(x, length))
    found = graph(tf.constant(CAPTIONS))
    assert found.dtype == tf.int32
    assert found.shape == (len(CAPTIONS), length)
    expected = [plain_characters(c.encode(), length) for c in CAPTIONS]
    np.testing.assert_array_equal(found, expected)


def test_characters_by_hand() -> None:
    found = text_matching.characters(tf.constant(["a Z9", "é"]), 5)
    # A space is 1, so a is 2 and z 27, then the digits.
    assert found.numpy().tolist() == [[2, 1, 27, 37, 0], [1, 1, 0, 0, 0]]
    assert text_matching.characters(tf.constant([b"\xff\x00a"]), 3).shape == (1, 3)


def test_matching_loss_in_closed_form() -> None:
    one = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    # Own pairs score 4, others 0: more than the margin apart.
    assert float(text_matching.matching_loss(2 * one, 2 * one)) == 0.0
    # 0.25 against 0: 0.75 is missing for each image and for each text.
    assert float(text_matching.matching_loss(one / 2, one / 2)) == 1.5
    # Everything alike: the margin, twice.
    same = tf.ones([5, 3])
    assert float(text_matching.matching_loss(same, same)) == 2.0
    # Wrong way round: 1 + 1 for each.
    assert float(text_matching.matching_loss(one, one[::-1])) == 4.0


def test_matching_loss_pair_by_pair() -> None:
    random = np.random.default_rng(0)
    images, texts = random.normal(size=(2, 6, 3)).astype(np.float32)
    scores = images @ texts.T
    total = 0.0
    for i in range(6):
        for j in range(6):
            if i != j:
                total += max(0.0, 1 - scores[i, i] + scores[i, j])
                total += max(0.0, 1 - scores[i, i] + scores[j, i])
    found = text_matching.matching_loss(tf.constant(images), tf.constant(texts))
    assert float(found) == pytest.approx(total / 30, rel=1e-5)
    half = text_matching.matching_loss(
        tf.cast(images, tf.bfloat16), tf.cast(texts, tf.bfloat16)
    )
    assert half.dtype == tf.float32


def test_retrieval_accuracy() -> None:
    images = tf.eye(4)
    texts = tf.gather(images, [0, 1, 3, 2])
    assert float(text_matching.retrieval_accuracy(images, images)) == 1.0
    assert float(text_matching.retrieval_accuracy(images, texts)) == 0.5
    # Texts 1 and 2 score best with image 1, of which 1 is right.
    texts = tf.constant([[1.0, 0], [0, 1], [0, 0.9]])
    images = tf.constant([[1.0, 0], [0, 2], [0, 1]])
    found = text_matching.retrieval_accuracy(images, texts)
    assert float(found) == pytest.approx(2 / 3)


def test_encoders_learn_to_match_sixteen_pairs() -> None:
    from tfgan_models.networks import CharacterEncoder, ImageEncoder

    keras.utils.set_random_seed(0)
    captions = [f"{c} {s}" for c in ("red", "blue", "green", "grey") for s in "abcd"]
    letters = text_matching.characters(tf.constant(captions), 12)
    images = tf.random.stateless_uniform([16, 8, 8, 3], [1, 2], -1.0)
    texts = CharacterEncoder(16, 12, filters=32)
    pictures = ImageEncoder(16, 8, filters=16)
    variables = texts.trainable_variables + pictures.trainable_variables
    adam = keras.optimizers.Adam(3e-3)

    @tf.function
    def step() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            both = pictures(images, training=True), texts(letters, training=True)
            loss = text_matching.matching_loss(*both)
        adam.apply(tape.gradient(loss, variables), variables)
        return loss, text_matching.retrieval_accuracy(*both)

    before, chance = step()
    assert 1.5 < float(before) < 2.5
    assert float(chance) < 0.5
    for _ in range(150):
        loss, accuracy = step()
    assert float(loss) < 0.1
    assert float(accuracy) == 1.0
