"""Pickles of numbers and containers, followed without Python's unpickler.

Python's own imports, calls and fills whatever a file names. Here nothing is imported,
called or set that the file chooses: a name is a key of a table that the reader passes,
what is "called" are the reader's own functions, and every length is checked against
what is left of the file before anything is made.
"""

import contextlib
import mmap
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop.messages import printable

# Each makes 80 bytes or its own length; some 50 describe a tensor.
_MOST_STEPS = 500_000
# Keys that are numbers can be chosen so that all of them collide.
_MOST_NUMBER_KEYS = 10_000
_MOST_NESTED = 64
_LONGEST_NAME = 1024
_LONGEST_WIDE_TEXT = 2**20
_MOST_SAID = 300


class RefusedError(Exception):
    """What a file asks for and may not have; the text goes on "it holds ..."."""


class Maker(NamedTuple):
    """A name in a file that makes something: a function of the reader's own."""

    name: str
    function: Callable[..., Any]


class StandIn:
    """What a reader's function made, and the file may fill in later."""

    def fill(self, state: Any) -> None:
        """Takes the state that the file gives it."""
        raise RefusedError(f"a state of {kind_of(self)}")


class Budget:
    """What a file may make in all: a small one cannot fill the memory.

    Attributes:
        steps: Instructions that may still be followed.
        visits: Values that may still be copied out.
        space: Bytes of arrays that may still be made: three times `size`, the file's
            own, and 16 MiB.
    """

    def __init__(self, size: int) -> None:
        self.steps = _MOST_STEPS
        self.visits = _MOST_STEPS
        self.space = self._space = 3 * size + 2**24

    def visit(self, depth: int) -> None:
        """Counts a value that is copied out, `depth` containers deep."""
        self.visits -= 1
        if self.visits < 0 or depth > _MOST_NESTED:
            raise RefusedError(
                f"containers nested more than {_MOST_NESTED} deep, or of more than "
                f"{_MOST_STEPS} values"
            )

    def spend(self, count: int) -> None:
        """Counts the bytes of an array before it is made."""
        self.space -= count
        if self.space < 0:
            raise RefusedError(
                f"arrays that would take more than {self._space} bytes, which is three "
                "times the file and 16 MiB"
            )


Names = Mapping[tuple[str, str], Any]
"""(module, name) as a file writes them -> a `Maker`, or the value it stands for."""


@contextlib.contextmanager
def opened(path: Path, kind: str, allowed: str) -> Iterator[tuple[memoryview, Budget]]:
    """Gives a file's bytes, and turns whatever goes wrong into one line.

    Args:
        path: The file.
        kind: What it should be, for messages.
        allowed: What it may hold and how that is written, for messages.

    Yields:
        The bytes, which are mapped and not read, and what they may make.

    Raises:
        UsageError: The file is missing, damaged, or holds what is not allowed.
        FailureError: It is larger than the memory.
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Pass {kind}.")
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        yield data, Budget(len(data))
    except RefusedError as error:
        raise UsageError(
            f"{path} was not loaded: it holds {_line(error)}. Allowed: {allowed}."
        ) from error
    except MemoryError as error:
        raise FailureError(
            f"{path} was not loaded: the memory does not hold it ({_line(error)}). "
            "Use a machine with more."
        ) from error
    # Damage shows as any error of struct, zipfile or NumPy.
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as {kind}: it is cut off, damaged or of another "
            f"kind ({type(error).__name__}: {_line(error)}). Download or save it again."
        ) from error


def _line(error: Exception) -> str:
    """Says it without line ends, escape codes or pages of a hostile file's text."""
    text = str(error)
    if len(text) > _MOST_SAID:
        text = f"{text[:_MOST_SAID]}..."
    return printable(text)


def load(
    data: memoryview,
    names: Names,
    budget: Budget,
    reference: Callable[[Any], Any] | None = None,
    start: int = 0,
) -> tuple[Any, int]:
    """Follows one pickle of protocol 2 to 5.

    Args:
        data: The file's bytes.
        names: What the pickle may name.
        budget: What it may make.
        reference: Turns a persistent id into a value; None: there may be none.
        start: Where the pickle begins.

    Returns:
        The value, and where the pickle ends. Bytes are views of `data`; dictionaries
        have texts and integers as keys.

    Raises:
        RefusedError: It asks for anything else.
        Exception: It is damaged.
    """
    machine = _Machine(data, names, budget, reference, start)
    return machine.run(), machine.position


def plain(
    value: Any,
    budget: Budget,
    leaf: Callable[[tuple[Any, ...], Any], Any],
    where: tuple[Any, ...] = (),
) -> Any:
    """Copies out dictionaries, lists, tuples and basic values.

    Args:
        value: A part of what `load` gives.
        budget: What the file may make.
        leaf: Turns anything else, given its keys from the root, into a value.
        where: The keys from the root to the value.

    Raises:
        RefusedError: It is too much, or `leaf` refuses.
    """
    budget.visit(len(where))
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is dict:
        return {k: plain(v, budget, leaf, (*where, k)) for k, v in value.items()}
    if type(value) in (list, tuple):
        items = (plain(v, budget, leaf, (*where, i)) for i, v in enumerate(value))
        return type(value)(items)
    return leaf(where, value)


def kind_of(value: Any) -> str:
    """Names what a value is, for messages: "an int", "a tensor"."""
    if isinstance(value, Maker):
        return f"the name {value.name}"
    name = type(value).__name__.strip("_").lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class _Machine:
    """Follows one pickle's instructions."""

    def __init__(
        self,
        data: memoryview,
        names: Names,
        budget: Budget,
        reference: Callable[[Any], Any] | None,
        start: int,
    ) -> None:
        self.data = data
        self.position = start
        self.stack: list[Any] = []
        self._names = names
        self._budget = budget
        self._reference = reference
        self._marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._number_keys = 0

    def run(self) -> Any:
        begin = bytes(self.data[self.position : self.position + 16])
        if not begin.startswith(pickle.PROTO):
            raise RefusedError(f"no pickle of protocol 2 to 5, but {begin!r}")
        budget = self._budget
        while budget.steps:
            budget.steps -= 1
            code = bytes(self.take(1))
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in _STEPS:
                raise RefusedError(
                    f"the pickle instruction {code!r} at byte {self.position - 1}, "
                    "which no such file needs"
                )
            _STEPS[code](self)
        raise RefusedError(f"a pickle of more than {_MOST_STEPS} instructions")

    def take(self, count: int) -> memoryview:
        end = self.position + count
        if end > len(self.data):
            left = len(self.data) - self.position
            raise EOFError(f"{count} bytes were to follow, {left} do")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, form: str) -> str:
        data = self.take(self.number(form))
        # A single letter beyond Latin-1 makes Python's text up to four times as long.
        # Pickles of protocol 2 write bytes as Latin-1: those may have any length.
        if len(data) > _LONGEST_WIDE_TEXT and np.frombuffer(data, "u1").max() > 0xC3:
            raise RefusedError(f"a text of {len(data)} bytes")
        return str(data, "utf-8")

    def pop_marked(self) -> list[Any]:
        items, self.stack = self.stack, self._marked.pop()
        return items

    def pop(self, count: int) -> tuple[Any, ...]:
        if len(self.stack) < count:
            raise ValueError("an instruction without its values")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def mark(self) -> None:
        self._marked.append(self.stack)
        self.stack = []

    def remember(self, index: int) -> None:
        # Python's pickler counts from 0; other indices could be made to collide.
        if index > _MOST_STEPS:
            raise RefusedError(f"a value remembered as number {index}")
        self.memo[index] = self.stack[-1]

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise RefusedError(f"items of {kind_of(self.stack[-1])}")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Fills the dictionary on the stack with keys and values in turn."""
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise RefusedError(f"keys of {kind_of(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is int:
                self._number_keys += 1
            elif type(key) is not str:
                raise RefusedError(f"{kind_of(key)} as a key")
            if self._number_keys > _MOST_NUMBER_KEYS:
                raise RefusedError(f"more than {_MOST_NUMBER_KEYS} numbers as keys")
            target[key] = value

    def line(self) -> str:
        ahead = bytes(self.data[self.position : self.position + _LONGEST_NAME])
        line = self.take(ahead.index(b"\n") + 1)
        return str(line[:-1], "utf-8")

    def look_up(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise RefusedError(f"a name made of {kind_of(module)} and {kind_of(name)}")
        if (module, name) not in self._names:
            raise RefusedError(f"{module}.{name}")
        self.stack.append(self._names[module, name])

    def make(self) -> None:
        """Has the reader make what a name with arguments stands for."""
        maker, arguments = self.pop(2)
        if type(maker) is not Maker or type(arguments) is not tuple:
            raise RefusedError(f"a call of {kind_of(maker)}")
        self.stack.append(maker.function(*arguments))

    def fill(self) -> None:
        """Gives a state to what was made; that of a dictionary is of no use here."""
        target, state = self.pop(2)
        if isinstance(target, StandIn):
            target.fill(state)
        elif type(target) is not dict or type(state) is not dict:
            raise RefusedError(f"a state of {kind_of(target)}")
        self.stack.append(target)

    def refer(self) -> None:
        (identity,) = self.pop(1)
        if self._reference is None:
            raise RefusedError("a reference to something outside the pickle")
        self.stack.append(self._reference(identity))

    def protocol(self) -> None:
        number = self.number("<B")
        if not 2 <= number <= pickle.HIGHEST_PROTOCOL:
            raise RefusedError(f"a pickle of protocol {number}")

    def frame(self) -> None:
        """Checks that a frame ends within the file."""
        count = self.number("<Q")
        self.take(count)
        self.position -= count


def _pusher(read: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    def push(machine: _Machine) -> None:
        # First read: taking what is marked exchanges the stack.
        value = read(machine)
        machine.stack.append(value)

    return push


_STEPS: dict[bytes, Callable[[_Machine], None]] = {
    pickle.PROTO: _Machine.protocol,
    pickle.FRAME: _Machine.frame,
    pickle.MARK: _Machine.mark,
    pickle.NONE: _pusher(lambda m: None),
    pickle.NEWTRUE: _pusher(lambda m: True),
    pickle.NEWFALSE: _pusher(lambda m: False),
    pickle.BININT: _pusher(lambda m: m.number("<i")),
    pickle.BININT1: _pusher(lambda m: m.number("<B")),
    pickle.BININT2: _pusher(lambda m: m.number("<H")),
    pickle.BINFLOAT: _pusher(lambda m: m.number(">d")),
    pickle.LONG1: _pusher(
        lambda m: int.from_bytes(m.take(m.number("<B")), "little", signed=True)
    ),
    pickle.SHORT_BINSTRING: _pusher(lambda m: m.text("<B")),
    pickle.BINSTRING: _pusher(lambda m: m.text("<I")),
    pickle.SHORT_BINUNICODE: _pusher(lambda m: m.text("<B")),
    pickle.BINUNICODE: _pusher(lambda m: m.text("<I")),
    pickle.BINUNICODE8: _pusher(lambda m: m.text("<Q")),
    pickle.SHORT_BINBYTES: _pusher(lambda m: m.take(m.number("<B"))),
    pickle.BINBYTES: _pusher(lambda m: m.take(m.number("<I"))),
    pickle.BINBYTES8: _pusher(lambda m: m.take(m.number("<Q"))),
    pickle.BYTEARRAY8: _pusher(lambda m: m.take(m.number("<Q"))),
    pickle.EMPTY_DICT: _pusher(lambda m: {}),
    pickle.EMPTY_LIST: _pusher(lambda m: []),
    pickle.EMPTY_TUPLE: _pusher(lambda m: ()),
    pickle.TUPLE: _pusher(lambda m: tuple(m.pop_marked())),
    pickle.TUPLE1: _pusher(lambda m: m.pop(1)),
    pickle.TUPLE2: _pusher(lambda m: m.pop(2)),
    pickle.TUPLE3: _pusher(lambda m: m.pop(3)),
    pickle.APPEND: lambda m: m.append([*m.pop(1)]),
    pickle.APPENDS: lambda m: m.append(m.pop_marked()),
    pickle.SETITEM: lambda m: m.set_items([*m.pop(2)]),
    pickle.SETITEMS: lambda m: m.set_items(m.pop_marked()),
    pickle.BINPUT: lambda m: m.remember(m.number("<B")),
    pickle.LONG_BINPUT: lambda m: m.remember(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.remember(len(m.memo)),
    pickle.BINGET: _pusher(lambda m: m.memo[m.number("<B")]),
    pickle.LONG_BINGET: _pusher(lambda m: m.memo[m.number("<I")]),
    pickle.GLOBAL: lambda m: m.look_up(m.line(), m.line()),
    pickle.STACK_GLOBAL: lambda m: m.look_up(*m.pop(2)),
    pickle.REDUCE: _Machine.make,
    pickle.NEWOBJ: _Machine.make,
    pickle.BUILD: _Machine.fill,
    pickle.BINPERSID: _Machine.refer,
}
