"""Pickles of numbers and containers, read without running what they name.

Python's own unpickler, the one written in Python, with only the opcodes that such
files need. Names are looked up in a table that the caller passes, so nothing is
imported and only the caller's functions are called. A file's size bounds what it makes.
"""

import contextlib
import io
import mmap
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop.messages import printable

_OBJECT_BYTES = 64
_MOST_NESTED = 64
_LONGEST_TEXT = 2**20
_LONGEST_ERROR = 300

Names: TypeAlias = Mapping[tuple[str, str], object]
"""(module, name) in a file -> a function of the caller's, or a value."""


Key: TypeAlias = str | int
"""Of a dictionary or list in a file."""


class RefusedError(Exception):
    """The file holds something that is not allowed; the message names it."""


class Budget:
    """Memory that a file may take: three times its size, and 16 MiB."""

    def __init__(self, size: int) -> None:
        self._left = self._all = 3 * size + 2**24

    def spend(self, count: int = _OBJECT_BYTES) -> None:
        """Counts bytes before they are allocated."""
        self._left -= count
        if self._left < 0:
            raise RefusedError(
                f"values of more than {self._all} bytes, which is three times its size "
                "and 16 MiB"
            )


@contextlib.contextmanager
def opened(path: Path, kind: str, allowed: str) -> Iterator[tuple[mmap.mmap, Budget]]:
    """Maps a file into memory, and reports any error in one line.

    Args:
        path: The file.
        kind: What it should be, for messages.
        allowed: What it may hold and how that is written, for messages.

    Yields:
        The file, and the memory it may take.

    Raises:
        UsageError: The file is missing, damaged, or holds what is not allowed.
        FailureError: It does not fit into memory.
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Pass {kind}.")
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        yield data, Budget(len(data))
    except RefusedError as error:
        raise UsageError(
            f"{path} was not loaded: it holds {_line(error)}. Allowed: {allowed}."
        ) from error
    except MemoryError as error:
        raise FailureError(
            f"{path} was not loaded: it does not fit into memory ({_line(error)}). "
            "Use a machine with more."
        ) from error
    # Damage shows as any error of pickle, zipfile or NumPy.
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as {kind}: it is truncated, damaged or of another "
            f"kind ({type(error).__name__}: {_line(error)}). Download or save it again."
        ) from error


def _line(error: Exception) -> str:
    """Removes line breaks and escape codes, and shortens."""
    text = str(error)
    return printable(text[:_LONGEST_ERROR] + "..." * (len(text) > _LONGEST_ERROR))


def load(
    file: mmap.mmap | io.BytesIO,
    names: Names,
    budget: Budget,
    reference: Callable[[Any], object] | None = None,
) -> Any:
    """Reads one pickle of protocol 2 to 5 from where a file stands.

    Args:
        file: An open file that reads no more than it holds: an mmap or BytesIO.
        names: What the pickle may name.
        budget: The memory it may take.
        reference: Turns a persistent id into a value; None: there may be none.

    Returns:
        The value; its dictionaries are `Dict`s.

    Raises:
        RefusedError: It needs anything else.
        Exception: It is damaged.
    """
    start = file.tell()
    begin = file.read(16)
    file.seek(start)
    if not begin.startswith(pickle.PROTO):
        raise RefusedError(f"{begin!r} instead of a pickle of protocol 2 to 5")
    return _Unpickler(file, names, budget, reference).load()


def plain(
    value: object,
    budget: Budget,
    leaf: Callable[[tuple[Key, ...], object], object],
    where: tuple[Key, ...] = (),
) -> Any:
    """Copies dictionaries, lists, tuples, numbers, strings up to 1 MiB and None.

    Args:
        value: A part of what `load` returns.
        budget: The memory the file may take.
        leaf: Turns anything else, given its keys from the root, into a value.
        where: The keys from the root to the value.

    Raises:
        RefusedError: It is too large or too deep, or `leaf` refuses.
    """
    budget.spend()
    if len(where) > _MOST_NESTED:
        raise RefusedError(f"containers nested more than {_MOST_NESTED} deep")
    if value is None or type(value) in (bool, int, float):
        return value
    if type(value) is str and len(value) <= _LONGEST_TEXT:
        return value
    if type(value) is Dict:
        return {k: plain(v, budget, leaf, (*where, k)) for k, v in value.items()}
    if type(value) is list or type(value) is tuple:
        items = [plain(v, budget, leaf, (*where, i)) for i, v in enumerate(value)]
        return items if type(value) is list else tuple(items)
    return leaf(where, value)


def kind_of(value: object) -> str:
    """Names what a value is, for messages: "an int", "a tensor"."""
    name = type(value).__name__.strip("_").lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class Dict(dict[Any, Any]):
    """A dictionary that a file fills; its attributes are dropped."""

    __slots__ = ()

    def __setitem__(self, key: object, value: object) -> None:
        # Hashing nested tuples overflows the stack; larger numbers can be chosen so
        # that their hashes collide.
        if type(key) not in (str, int) or (type(key) is int and abs(key) >= 2**60):
            raise RefusedError(f"{kind_of(key)} as a key")
        super().__setitem__(key, value)

    def __repr__(self) -> str:
        # Nested lists that repeat each other would be printed without end.
        return f"a dictionary of {len(self)}"

    def fill(self, state: object) -> None:
        """Takes no state."""


_NEEDED = (
    *(pickle.PROTO, pickle.FRAME, pickle.MARK, pickle.STOP, pickle.BINPERSID),
    *(pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BINFLOAT),
    *(pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
    *(pickle.SHORT_BINSTRING, pickle.BINSTRING),
    *(pickle.SHORT_BINUNICODE, pickle.BINUNICODE, pickle.BINUNICODE8),
    *(pickle.SHORT_BINBYTES, pickle.BINBYTES, pickle.BINBYTES8),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
    *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.SETITEM, pickle.SETITEMS),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE),
    *(pickle.BINGET, pickle.LONG_BINGET),
)
# The unpickler written in C has no table of opcodes to choose from.
_Python: Any = pickle._Unpickler


class _Unpickler(_Python):
    def __init__(
        self,
        file: mmap.mmap | io.BytesIO,
        names: Names,
        budget: Budget,
        reference: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(file, encoding="utf-8")
        self.dispatch = _Opcodes(budget)
        self.names = names
        if reference:
            self.persistent_load = reference

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.names:
            raise RefusedError(f"{module}.{name}")
        return self.names[module, name]

    def build(self) -> None:
        """Gives a state to what takes one; Python's would set attributes."""
        state = self.stack.pop()
        self.stack[-1].fill(state)

    def empty_dictionary(self) -> None:
        self.append(Dict())


class _Opcodes:
    """The opcodes that a file may use; each is counted."""

    allowed: dict[int, Callable[[Any], None]] = {
        **{code: _Python.dispatch[code] for code in b"".join(_NEEDED)},
        pickle.BUILD[0]: _Unpickler.build,
        pickle.EMPTY_DICT[0]: _Unpickler.empty_dictionary,
        # Python's would not call the caller's functions, but make their kind.
        pickle.NEWOBJ[0]: _Unpickler.load_reduce,
        # Python's allocates what is announced.
        pickle.BYTEARRAY8[0]: _Unpickler.load_binbytes8,
    }

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self.budget.spend()
        if code not in self.allowed:
            raise RefusedError(f"the pickle opcode {bytes([code])!r}")
        return self.allowed[code]
