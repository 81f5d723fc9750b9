"""TensorFlow's error messages, in words for clients."""

import re

# Starts of lines that do not say what is wrong.
_PLACE_LINES = ("Graph execution error", "Detected at node", 'File "', "<stack", "[[")
_COUNT = re.compile(r"\d+ root error\(s\) found\.")
_NUMBERED = re.compile(r"^\(\d+\) [A-Z_ ]+:\s*")
_ASSERTION = re.compile(r"assertion failed: \[(.*)\]", re.DOTALL)


def plain(message: str) -> str:
    """Returns what went wrong, in one sentence.

    Args:
        message: Of `tf.errors.OpError`. The names of the graph's nodes and the brackets
            around the parts of an assertion's message are left out.
    """
    for line in message.split("\n"):
        text = _NUMBERED.sub("", re.sub(r"\{\{.*?\}\}", "", line).strip())
        if text and not text.startswith(_PLACE_LINES) and not _COUNT.fullmatch(text):
            return without_brackets(text)
    return "The model failed."


def in_words(error: Exception) -> str:
    """Returns any exception's message in one sentence; without one, its type."""
    return plain(str(error)) if str(error).strip() else type(error).__name__


def without_brackets(text: str) -> str:
    """Returns a message without an assertion's brackets, if it has any."""

    def joined(found: re.Match[str]) -> str:
        # What TensorFlow's own assertions say next to the message.
        said = found[1].partition("] [Condition ")[0]
        return said.replace("] [", " ").strip()

    return _ASSERTION.sub(joined, text)
