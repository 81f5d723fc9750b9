"""The pipeline from image files to image files.

Only names travel between machines. Images are read, translated and written where their
name arrives, a few at a time.
"""

import contextlib
import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.runners.runner import PipelineResult
from apache_beam.typehints import no_annotations

from export.batches import listing
from export.batches.listing import Fault, Source
from export.batches.models import Answer, ImageHandler, ModelFiles
from export.clients import image_files
from tfgan_models.runs import files

DEAD_LETTERS = "dead_letters.jsonl"

NAMES_A_CHUNK = 32
"""Names per element of the shuffle, whose overhead outweighs a single name."""

_NAMESPACE = "export.batch"
_SEPARATOR = b"\0"
_FAULTS = "faults"
_MAIN = "main"


class Counts(NamedTuple):
    """How many inputs were written, were skipped as existing, and failed."""

    written: int
    skipped: int
    failed: int


def counts(result: PipelineResult) -> Counts:
    """Reads the counters of a pipeline that has finished."""
    found = result.metrics().query(MetricsFilter().with_namespace(_NAMESPACE))
    of = {c.key.metric.name: c.result or 0 for c in found["counters"]}
    return Counts(*(of.get(name, 0) for name in Counts._fields))


def build(
    pipeline: beam.Pipeline, source: Source, output: str, model: ModelFiles
) -> None:
    """Adds all steps.

    Each input ends up as `<output>/<name>.png` or as a line of
    `<output>/dead_letters.jsonl`, which is rewritten. Existing outputs are left alone.

    Args:
        pipeline: Empty.
        source: The inputs.
        output: A folder.
        model: Translates them.
    """
    listed = (
        pipeline
        | "Start" >> beam.Create([None])
        | "List" >> beam.ParDo(_List(source, output)).with_outputs(_FAULTS, main=_MAIN)
    )
    read = (
        listed[_MAIN]
        | "Spread" >> beam.Reshuffle()
        | "Read"
        >> beam.ParDo(_Read(source.base, output)).with_outputs(_FAULTS, main=_MAIN)
    )
    unwritten = (
        read[_MAIN]
        | "Translate" >> RunInference(KeyedModelHandler(ImageHandler(model)))
        | "Write" >> beam.ParDo(_Write(source.base, output))
    )
    faults = (listed[_FAULTS], read[_FAULTS], unwritten)
    lines = faults | beam.Flatten() | "Describe" >> beam.ParDo(_Describe())
    # So that there is a file even without faults.
    none = pipeline | "No faults" >> beam.Create([(None, "")])
    (
        (lines, none)
        | "All" >> beam.Flatten()
        | "One file" >> beam.GroupByKey()
        | "Write faults" >> beam.ParDo(_WriteFaults(f"{output}/{DEAD_LETTERS}"))
    )


class _List(beam.DoFn):
    """Any element -> the names of all inputs, in chunks."""

    def __init__(self, source: Source, output: str) -> None:
        self._source, self._output = source, output

    # Beam would mistake the tagged outputs for the main one.
    @no_annotations
    def process(self, _: None) -> Iterator[bytes | beam.pvalue.TaggedOutput]:
        """Lists while later steps already run."""
        chunk: list[bytes] = []
        for name in listing.names(self._source, self._output):
            if isinstance(name, Fault):
                yield beam.pvalue.TaggedOutput(_FAULTS, name)
                continue
            chunk.append(name)
            if len(chunk) == NAMES_A_CHUNK:
                yield _SEPARATOR.join(chunk)
                chunk = []
        if chunk:
            yield _SEPARATOR.join(chunk)


class _Read(beam.DoFn):
    """A chunk of names -> (name, image file) of those not done."""

    def __init__(self, base: str, output: str) -> None:
        self._base, self._output = base, output
        self._skipped = Metrics.counter(_NAMESPACE, "skipped")

    @no_annotations
    def process(
        self, chunk: bytes
    ) -> Iterator[tuple[bytes, bytes] | beam.pvalue.TaggedOutput]:
        """Reads one file at a time."""
        for name in chunk.split(_SEPARATOR):
            if FileSystems.exists(target(self._output, name)):
                self._skipped.inc()
                continue
            path = listing.join(self._base, name)
            try:
                yield name, image_files.prepared(_contents(path))
            except image_files.ImageError as error:
                yield beam.pvalue.TaggedOutput(_FAULTS, Fault(path, str(error)))


class _Write(beam.DoFn):
    """(name, result) -> a file; a fault if there is none."""

    def __init__(self, base: str, output: str) -> None:
        self._base, self._output = base, output
        self._written = Metrics.counter(_NAMESPACE, "written")

    def process(self, named: tuple[bytes, Answer]) -> Iterator[Fault]:
        """Writes the file under a temporary name and renames it."""
        name, answer = named
        reason = answer.fault
        if answer.picture is not None:
            try:
                _write(target(self._output, name), [answer.picture])
            except (OSError, BeamIOError) as error:
                reason = f"The result cannot be written: {error}"
        if reason is None:
            self._written.inc()
        else:
            yield Fault(listing.join(self._base, name), reason)


class _Describe(beam.DoFn):
    """A fault -> a line of JSON, under a common key."""

    def __init__(self) -> None:
        self._failed = Metrics.counter(_NAMESPACE, "failed")

    def process(self, fault: Fault) -> Iterator[tuple[None, str]]:
        """Counts it too."""
        self._failed.inc()
        yield None, json.dumps(fault._asdict()) + "\n"


class _WriteFaults(beam.DoFn):
    """(any key, lines) -> one file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, keyed: tuple[None, Iterable[str]]) -> None:
        """Writes the file under a temporary name and renames it."""
        _write(self._path, (line.encode() for line in keyed[1]))


def target(output: str, name: bytes) -> str:
    """Returns the path of an input's result.

    .png is appended to the whole name: a.jpg and a.webp have separate results.
    """
    return f"{listing.join(output, name)}.png"


def _contents(path: str) -> bytes:
    if FileSystems.get_scheme(path) is None:
        return image_files.read_path(Path(path))
    try:
        with _opened(path) as file:
            return image_files.read(file)
    except (OSError, BeamIOError) as error:
        raise image_files.ImageError(f"Cannot be read: {error}") from error


def _opened(path: str) -> BinaryIO:
    # Otherwise a name ending in .gz would be decompressed.
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def _write(path: str, parts: Iterable[bytes]) -> None:
    """Writes a file under a temporary name and renames it.

    A step that is run twice, even at the same time, writes the same file twice.
    """
    beside = f"{path.rpartition('/')[0]}/{files.UNFINISHED}{uuid.uuid4().hex}"
    try:
        with FileSystems.create(
            beside, compression_type=CompressionTypes.UNCOMPRESSED
        ) as file:
            for part in parts:
                file.write(part)
        FileSystems.rename([beside], [path])
    except BaseException:
        with contextlib.suppress(OSError, BeamIOError):
            FileSystems.delete([beside])
        raise
