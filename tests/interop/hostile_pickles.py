"""Pickles that run code, and files that declare more than they hold."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

HUGE = 10 * 2**30
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
SYSTEM = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."


def name(module: str, attribute: str) -> bytes:
    """Looks up a name."""
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    """A text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Calls a function."""
    return function + b"(" + b"".join(arguments) + b"tR"


class _Code(NamedTuple):
    """What an attack does: it makes a file of its own name."""

    canary: Callable[[str], str]

    def touch(self, key: str) -> bytes:
        return text(f"touch {self.canary(key)}")

    def source(self, key: str) -> bytes:
        return text(f"open({self.canary(key)!r}, 'w').close()")


_Attacks = dict[str, tuple[bytes, bool]]
SHELL = name("posix", "system")


def attacks(canary: Callable[[str], str]) -> Iterator[tuple[str, bytes, bool]]:
    """Pickles that make the file `canary(name)` by every known way.

    Yields:
        Name; pickle; whether Python's own unpickler runs it here, without which it
        proves nothing (others need a package or a system that may be missing).
    """
    code = _Code(canary)
    groups = {
        b"\x80\x02": _calls(code) | _calls_of_calls(code) | _instructions(code),
        b"\x80\x04": _instructions_of_protocol_4(code),
        b"": {"protocol_0": (_protocol_0(code), True)},
    }
    for start, group in groups.items():
        for key, (body, works) in group.items():
            yield key, start + body + b".", works


def _calls(code: _Code) -> _Attacks:
    """A function of Python's or of a package, called with texts."""
    named = {
        "os_system": ("os", "system", True),
        "posix_system": ("posix", "system", True),
        "nt_system": ("nt", "system", False),
    }
    run = {
        "eval": ("builtins", "eval", True),
        "exec": ("builtins", "exec", True),
        "python2_eval": ("__builtin__", "eval", True),
        "python2_exec": ("__builtin__", "exec", True),
        "numpy_f2py": ("numpy.f2py.crackfortran", "myeval", False),
    }
    run_in = {
        "runpy": ("runpy", "_run_code", True),
        "numpy_testing": ("numpy.testing._private.utils", "runstring", False),
    }
    opened = {
        "torch_load": ("torch", "load"),
        "torch_hub": ("torch.hub", "load"),
        "torch_load_library": ("torch.ops", "load_library"),
        "ctypes": ("ctypes", "CDLL"),
        "marshal": ("marshal", "loads"),
        "numpy_load": ("numpy", "load"),
        "import_module": ("importlib", "import_module"),
        "codec": ("_codecs", "lookup"),
    }
    return {
        **{k: (call(name(m, f), code.touch(k)), w) for k, (m, f, w) in named.items()},
        **{k: (call(name(m, f), code.source(k)), w) for k, (m, f, w) in run.items()},
        **{
            k: (call(name(m, f), code.source(k), b"}"), w)
            for k, (m, f, w) in run_in.items()
        },
        **{k: (call(name(m, f), text("a.so")), False) for k, (m, f) in opened.items()},
        "codec_encode": (call(name("_codecs", "encode"), text("a"), text("x")), False),
    }


def _calls_of_calls(code: _Code) -> _Attacks:
    """Functions that are found, made or run by other functions."""
    imported = call(name("builtins", "__import__"), text("os"))
    found = call(name("builtins", "getattr"), imported, text("system"))
    words = b"](" + text("touch") + text(code.canary("popen")) + b"e"
    partial = call(name("functools", "partial"), SHELL, code.touch("partial"))
    inner = call(SHELL, code.touch("loads")) + b"."
    pickled = b"B" + struct.pack("<I", len(inner)) + inner
    return {
        "getattr": (call(found, code.touch("getattr")), True),
        "popen": (call(name("subprocess", "Popen"), words), True),
        "open": (
            call(name("io", "open"), text(code.canary("open")), text("w")),
            True,
        ),
        "partial": (call(partial), True),
        "loads": (call(name("pickle", "loads"), pickled), True),
    }


def _instructions(code: _Code) -> _Attacks:
    """Other instructions that call, make or look up."""
    ordered = call(name("collections", "OrderedDict"))
    attribute = b"}" + text("__setstate__") + SHELL + b"sb"
    numbers = text("storage") + SHELL + text("0") + text("cpu")
    return {
        "inst": (b"(" + code.touch("inst") + b"iposix\nsystem\n", True),
        "obj": (b"(" + SHELL + code.touch("obj") + b"o", True),
        "newobj": (name("subprocess", "Popen") + text("true") + b"\x85\x81", False),
        "setstate": (ordered + attribute + code.touch("setstate") + b"b", True),
        "name_attribute": (name("collections", "OrderedDict.fromkeys"), False),
        # Numbers for names that a program has registered; the reader's process has.
        "extension_1": (call(b"\x82\x01", code.touch("extension_1")), True),
        "extension_2": (call(b"\x83\x01\0", code.touch("extension_2")), True),
        "extension_4": (call(b"\x84\x01\0\0\0", code.touch("extension_4")), True),
        "persistent": (b"Pos.system\n", False),
        "persistent_module": (b"(" + text("module") + SHELL + b"NNtQ", False),
        "persistent_kind": (b"(" + numbers + b"K\x01tQ", False),
    }


def _instructions_of_protocol_4(code: _Code) -> _Attacks:
    dotted = text("posixpath") + text("os.system") + b"\x93"
    keywords = b"}" + text("args") + text("true") + b"s"
    return {
        "dotted": (call(dotted, code.touch("dotted")), True),
        "dotted_modules": (text("collections") + text("_sys.modules") + b"\x93", False),
        "newobj_ex": (name("subprocess", "Popen") + b")" + keywords + b"\x92", False),
    }


def _protocol_0(code: _Code) -> bytes:
    return f"cposix\nsystem\n(Vtouch {code.canary('protocol_0')}\ntR".encode()


def archive(pickled: bytes, **storages: bytes) -> bytes:
    """A zip file as torch.save writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("a/data.pkl", pickled)
        target.writestr("a/version", "3")
        target.writestr("a/byteorder", "little")
        for key, data in storages.items():
            target.writestr(f"a/data/{key.removeprefix('_')}", data)
    return file.getvalue()


def stream(pickled: bytes, keys: bytes = b"\x80\x02].", data: bytes = b"") -> bytes:
    """A file as torch.save wrote it before PyTorch 1.6."""
    return MAGIC + b"\x80\x02M\xe9\x03." + SYSTEM + pickled + keys + data


def storage(
    length: int, key: str = "0", kind: str = "FloatStorage", old: bool = False
) -> bytes:
    """A reference to numbers outside the pickle; the old format has one value more."""
    number = b"\x8a\x08" + struct.pack("<q", length)
    words = text("storage") + name("torch", kind) + text(key) + text("cpu") + number
    return b"(" + words + (b"N" if old else b"") + b"tQ"


def tensor(numbers: bytes, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """A tensor of a storage."""

    def sizes(values: tuple[int, ...]) -> bytes:
        written = (b"\x8a\x08" + struct.pack("<q", value) for value in values)
        return b"(" + b"".join(written) + b"t"

    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, numbers, b"K\x00", sizes(shape), sizes(strides), b"\x89", b"}")


def flat(*values: bytes) -> bytes:
    """A dictionary of values."""
    items = b"".join(text(f"x{i}") + value for i, value in enumerate(values))
    return b"\x80\x02}(" + items + b"u."


def network(variable: bytes) -> bytes:
    """A network of one variable."""
    fields = {
        "version": b"K\x03",
        "name": text("G"),
        "static_kwargs": b"}",
        "build_func_name": text("G"),
        "variables": b"](" + text("x") + variable + b"\x86e",
    }
    state = b"}(" + b"".join(text(k) + v for k, v in fields.items()) + b"u"
    made = name("dnnlib.tflib.network", "Network") + b")\x81"
    return b"\x80\x04" + made + state + b"b."


def array(shape: bytes, data: bytes, code: str = "f4") -> bytes:
    """An array as NumPy 1 pickles it."""
    dtype = call(name("numpy", "dtype"), text(code), b"\x89", b"\x88")
    dtype += b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = call(
        name("numpy.core.multiarray", "_reconstruct"),
        *(name("numpy", "ndarray"), b"K\x00\x85", b"C\x01b"),
    )
    return made + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def sizes() -> Iterator[tuple[str, bytes]]:
    """Files that would fill the memory, or take for ever, if they were believed."""
    yield from _torch_sizes()
    yield from _network_sizes()
    for key, body in _bodies().items():
        pickled = b"\x80\x04" + body + b"."
        yield f"{key}.pkl", pickled
        # What takes long is the same code in every file.
        if key not in ("many_marks", "many_dictionaries", "deep", "colliding"):
            yield f"{key}_stream.pth", stream(pickled)
            if key != "many_lists":
                yield f"{key}_zip.pth", archive(pickled)


def _bodies() -> dict[str, bytes]:
    """What no pickle of either kind may hold."""
    ten, four = struct.pack("<Q", HUGE), b"\xfe\xff\xff\xff"
    return {
        "binbytes8": b"\x8e" + ten,
        "binunicode8": b"\x8d" + ten,
        "bytearray8": b"\x96" + ten,
        "frame": b"\x95" + ten,
        "binbytes": b"B" + four,
        "binunicode": b"X" + four,
        "binstring": b"T" + four,
        "long4": b"\x8b\xff\xff\xff\x7f",
        "long_text": b"L" + b"9" * 2**20 + b"L\n",
        "memo": b"Nr\xff\xff\xff\xff",
        "memo_get": b"j\xff\xff\xff\xff",
        "error_of_a_page": b"c" + b"m" * 900 + b"\n\x1b[2J" + b"n" * 900 + b"\n",
        **_many_objects(),
        **_again_and_again(),
    }


def _many_objects() -> dict[str, bytes]:
    many, x = 600_000, b"}" + text("x")
    colliding = b"".join(
        b"\x8a\x10" + (k * (2**61 - 1)).to_bytes(16, "little") + b"N"
        for k in range(1, 60_000)
    )
    return {
        "many_lists": b"]" * many,
        "many_marks": b"(" * many,
        "many_dictionaries": b"}\x94" * many,
        "deep": b"]" * 200_000 + b"a" * 199_999,
        "deep_in_dictionary": x + b"]" * 9000 + b"a" * 8999 + b"s",
        "deep_key": b"}N" + b"\x85" * 200_000 + b"Ns",
        "doubling": _doubling(x),
        "cycle": b"}q\x00" + text("x") + b"h\x00s",
        "colliding": b"}(" + colliding + b"u",
        "wide_text": x + text("\N{PILE OF POO}" + "a" * 2**21) + b"s",
    }


def _doubling(start: bytes) -> bytes:
    """Fills a dictionary with a list that holds a list twice, and so on."""
    double = b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(60))
    return start + b"]q\x00" + double + b"s"


def _again_and_again() -> dict[str, bytes]:
    """Calls that are allowed, each with the same long value."""
    x, long = b"}" + text("x"), text("a" * 2**20)
    encode, device = name("_codecs", "encode"), name("torch", "device")
    ordered = name("collections", "OrderedDict")
    items = b"".join(b"](" + text(str(i)) + b"Ne" for i in range(20_000))
    return {
        "encode_again": x
        + (b"](" + long + b"q\x00" + encode + b"q\x01" + text("latin1") + b"q\x02")
        + (b"h\x01h\x00h\x02\x86R" * 20_000 + b"es"),
        "device_again": x
        + (b"](" + long + b"q\x00" + device + b"q\x01")
        + (b"h\x01h\x00K\x01\x86R" * 20_000 + b"es"),
        "ordered_again": ordered
        + (b"q\x00](" + items + b"eq\x01(")
        + (b"h\x00h\x01\x85R" * 20_000 + b"t"),
    }


def _torch_sizes() -> Iterator[tuple[str, bytes]]:
    ten, one = HUGE // 4, struct.pack("<f", 1)
    key = b"\x80\x02]X\x01\x00\x00\x000a."
    declared = flat(tensor(storage(ten), (ten,), (1,)))
    yield "storage_zip.pth", archive(declared, _0=one)
    declared = flat(tensor(storage(ten, old=True), (ten,), (1,)))
    yield "storage_stream.pth", stream(declared, key, struct.pack("<Q", ten) + one)
    expanded = flat(tensor(storage(1), (2**40, 2**40), (0, 0)))
    yield "expanded_zip.pth", archive(expanded, _0=one)
    yield "expanded_stream.pth", stream(expanded, key, struct.pack("<Q", 1) + one)
    # Each alone would do.
    many = flat(*[tensor(storage(1), (2**21,), (0,))] * 500)
    yield "expanded_often_zip.pth", archive(many, _0=one)
    overlapping = flat(*[tensor(storage(2**16), (2**16,), (1,))] * 1000)
    yield "overlapping_zip.pth", archive(overlapping, _0=bytes(2**18))
    yield "negative_zip.pth", archive(flat(tensor(storage(1), (1,), (-1,))), _0=one)
    yield "missing_zip.pth", archive(flat(tensor(storage(1, "7"), (1,), (1,))))
    yield (
        "wrong_type_zip.pth",
        archive(flat(tensor(storage(1, kind="DoubleStorage"), (1,), (1,))), _0=one),
    )
    # NumPy's own check of a view lets these two pass, outside the buffer.
    backwards = flat(tensor(storage(1), (-1,), (-1,)))
    yield "backwards_zip.pth", archive(backwards, _0=one)
    yield "empty_zip.pth", archive(flat(tensor(storage(0), (9,), (1,))), _0=b"")
    good = flat(tensor(storage(1, old=True), (1,), (1,)))
    # The hash of such a tuple overflows the stack; what follows raises the budget.
    deep = b"\x80\x02](N" + b"\x85" * 400_000 + b"e."
    yield "deep_storage_key_stream.pth", stream(good, deep, bytes(7 * 2**19))
    referred = b"\x80\x02(" + _doubling(b"}" + text("x")) + b"tQ."
    yield "referred_zip.pth", archive(referred)
    yield "referred_stream.pth", stream(referred)
    yield from _zip_sizes(archive(flat(tensor(storage(1), (1,), (1,))), _0=one))


def _zip_sizes(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Zip directories that declare what is not there."""
    entry, end = good.index(b"PK\x01\x02"), good.rindex(b"PK\x05\x06")
    large, changed = b"\xf0\xff\xff\xff", bytearray(good)
    at = good.rindex(b"PK\x01\x02")
    changed[at + 20 : at + 28] = 2 * large
    yield "record_zip.pth", bytes(changed)
    # In the zip64 way, which holds more than four bytes do.
    field = struct.pack("<HHQQ", 1, 16, HUGE, HUGE)
    last = bytearray(good[at:end])
    last[20:28] = b"\xff" * 8
    last[30:32] = struct.pack("<H", len(field))
    tail = bytearray(good[end:])
    tail[12:16] = struct.pack("<I", end - entry + len(field))
    yield "record64_zip.pth", good[:at] + bytes(last) + field + bytes(tail)
    tail = bytearray(good[end:])
    tail[12:16] = large
    yield "directory_zip.pth", good[:end] + bytes(tail)
    tail = bytearray(good[end:])
    tail[16:20] = large
    yield "directory_offset_zip.pth", good[:end] + bytes(tail)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a/data.pkl", bytes(2**24))
    yield "compressed_zip.pth", file.getvalue()
    yield "entries_zip.pth", _many_entries(40_000)


def _many_entries(count: int) -> bytes:
    """A zip directory that is long and has no records."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<H", 8) + bytes(16)
    entries = b"".join(entry + b"a/%06d" % i for i in range(count))
    start = b"PK\x03\x04" + bytes(26)
    end = struct.pack("<4s4xHHIIH", b"PK\x05\x06", 1, 1, len(entries), len(start), 0)
    return start + entries + end


def _network_sizes() -> Iterator[tuple[str, bytes]]:
    one, ten = b"C\x04" + bytes(4), b"\x8a\x08" + struct.pack("<q", HUGE)
    yield "shape.pkl", network(array(ten + b"\x85", one))
    yield "shape_short.pkl", network(array(b"K\x02\x85", one))
    yield "shape_negative.pkl", network(array(b"J\xff\xff\xff\xff\x85", one))
    yield "shape_deep.pkl", network(array(b"(" + b"K\x01" * 9999 + b"t", one))
    yield "no_data.pkl", network(array(b"K\x01\x85", b"]"))
    for code in ("O", "V10000000000", "S10000000000", "c8", "f3", "<f4", "M8[ns]"):
        safe = "".join(letter for letter in code if letter.isalnum())
        yield (
            f"type_{safe}_{zlib.crc32(code.encode())}.pkl",
            network(array(b"K\x01\x85", one, code)),
        )
    reconstruct = name("numpy.core.multiarray", "_reconstruct")
    kind = name("numpy", "ndarray")
    yield "unfilled.pkl", network(call(reconstruct, kind, ten + b"\x85", b"C\x01b"))
    dtype = call(name("numpy", "dtype"), text("f4"), b"\x89", b"\x88")
    frombuffer = name("numpy.core.numeric", "_frombuffer")
    yield (
        "frombuffer.pkl",
        network(call(frombuffer, one, dtype, ten + b"\x85", text("C"))),
    )
    made = name("dnnlib.tflib.network", "Network") + b")\x81"
    holds = b"}(" + text("version") + b"K\x03" + text("name") + text("G")
    holds += text("build_func_name") + text("G") + text("static_kwargs") + b"}"
    holds += text("variables") + b"]" + text("components") + b"}("
    yield "cyclic.pkl", b"\x80\x04" + made + b"q\x00" + holds + text("x") + b"h\x00uub."
    # One run of bytes that a thousand arrays share.
    data = b"B" + struct.pack("<I", 2**20) + bytes(2**20) + b"q\x07"
    first = array(b"\x8a\x04\x00\x00\x04\x00\x85", data)
    again = array(b"\x8a\x04\x00\x00\x04\x00\x85", b"h\x07")
    more = b"".join(text(f"x{i}") + again + b"\x86" for i in range(1000))
    pairs = b"](" + text("y") + first + b"\x86" + more + b"e"
    whole = network(one)
    old = b"](" + text("x") + one + b"\x86e"
    yield "shared.pkl", whole.replace(old, pairs)
