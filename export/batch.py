"""Translates any number of images on any number of machines, with Apache Beam.

    python -m export.batch --model=models/mine_a2b/1 --input=photos --output=translated

--input is a folder, or a glob in quotes (** crosses folders). Every input a/b.jpg ends
up as OUTPUT/a/b.jpg.png or as a line of OUTPUT/dead_letters.jsonl, with the reason; the
exit status is 3 if there are any of these, 0 if there are none, 1 if the pipeline
failed and 2 if the command cannot be carried out as given. Run it again to process what
is
missing: existing outputs are kept, dead letters are retried.

It runs in this process; all other flags are Apache Beam's:
--direct_running_mode=multi_processing --direct_num_workers=4 for several processes,
--runner=FlinkRunner, SparkRunner or DataflowRunner for several machines, which need
this package too. gs:// and s3:// are supported if Beam's extras for them are
installed.
"""

import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from absl import flags

from export.command import nearest_flag, quiet_tensorflow, run
from tfgan_models import extras
from tfgan_models.errors import FailureError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult

    from export.batches.pipeline import Counts

DEAD = 3
"""The exit status if there are dead letters."""
HERE = (None, "DirectRunner")
"""The names of the runner in this process."""


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model",
        None,
        "Folder of an exported model's saved_model.pb, or of its versions. Required.",
    )
    flags.DEFINE_string("input", None, "Folder or glob of images. Required.")
    flags.DEFINE_string("output", None, "Folder for the results. Required.")


def main(argv: Sequence[str]) -> None:
    """Translates all inputs and prints the counts; exits with `DEAD` letters."""
    given = flags.FLAGS
    if not (given.model and given.input and given.output):
        raise UsageError(
            "--model, --input and --output are required. Received: "
            f"--model={given.model} --input={given.input} --output={given.output}"
        )
    extras.require("Translating in batches", "batch", "apache_beam")
    quiet_tensorflow()
    # Beam warns of optional packages on import.
    logging.getLogger().setLevel(logging.ERROR)
    signal.signal(signal.SIGINT, _interrupt)
    counts = translate(given.model, given.input, given.output, argv[1:])
    print(f"Wrote {counts.written} images to {given.output}")
    if counts.skipped:
        print(f"Skipped {counts.skipped} that existed already.")
    if counts.failed:
        print(
            f"{counts.failed} of {sum(counts)} could not be translated; the reasons "
            f"are in {given.output.rstrip('/')}/dead_letters.jsonl"
        )
        sys.exit(DEAD)


def translate(
    model: str, given: str, output: str, arguments: Sequence[str] = ()
) -> "Counts":
    """Translates images.

    Args:
        model: Folder of saved_model.pb, or of versions.
        given: Folder or glob of images.
        output: Folder for the results.
        arguments: Apache Beam's flags.

    Returns:
        How many were written, were skipped as existing, and failed.

    Raises:
        UsageError: There is no such model, no image, or no such flag, or the output
            cannot be written.
        FailureError: Apache Beam is not installed, or the pipeline failed.
    """
    extras.require("Translating in batches", "batch", "apache_beam")
    from export.batches import listing, models, pipeline

    options = _options(arguments)
    source = listing.find_source(given)
    output = output.rstrip("/") or "/"
    if os.path.realpath(output) == os.path.realpath(source.base):
        raise UsageError(
            f"--output={output} is the folder of the inputs. Give another folder, "
            "which may be inside it."
        )
    found = models.find(model)
    _check_output(output)
    built = _pipeline(options)
    pipeline.build(built, source, output, found)
    counts = pipeline.counts(_finished(built))
    if not any(counts):
        raise UsageError(f"--input={given}: there is no image.")
    return counts


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C, without Beam's list of every step that it has stopped."""
    logging.disable(logging.CRITICAL)
    raise KeyboardInterrupt


def _check_output(output: str) -> None:
    """Refuses an unwritable folder on a local disk before any work is done."""
    from apache_beam.io.filesystems import FileSystems

    if FileSystems.get_scheme(output) is not None:
        return
    try:
        os.makedirs(output, exist_ok=True)
        tempfile.TemporaryFile(dir=output).close()
    except OSError as error:
        raise UsageError(
            f"--output={output} cannot be written: {error.strerror}. Give another "
            "folder."
        ) from error


def _options(arguments: Sequence[str]) -> "PipelineOptions":
    """Builds Beam's options from the flags that are not ours."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    options = PipelineOptions(list(arguments))
    parsers: list[ArgumentParser] = []
    options.get_all_options(add_extra_args_fn=parsers.append)
    unknown = parsers[0].parse_known_args(list(arguments))[1]
    # Other runners have their own flags, which only they know.
    if unknown and options.view_as(StandardOptions).runner in HERE:
        near = nearest_flag(unknown[0].split("=")[0].lstrip("-"))
        raise UsageError(
            f"Neither this command nor Apache Beam has a flag {unknown[0]!r}.{near} "
            "Globs need quotes: --input='photos/*.jpg'"
        )
    return options


def _pipeline(options: "PipelineOptions") -> "apache_beam.Pipeline":
    import apache_beam
    from apache_beam.options.pipeline_options import StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    if options.view_as(StandardOptions).runner in HERE:
        # Beam's default for DirectRunner would first download another runner.
        return apache_beam.Pipeline(runner=FnApiRunner(), options=options)
    return apache_beam.Pipeline(options=options)


def _finished(built: "apache_beam.Pipeline") -> "PipelineResult":
    from apache_beam.runners.runner import PipelineState

    try:
        result = built.run()
        state = result.wait_until_finish()
    except RuntimeError as error:
        # Beam has logged all of it.
        state = str(error).splitlines()[0]
        if KeyboardInterrupt.__name__ in state:
            raise KeyboardInterrupt from error
    if state != PipelineState.DONE:
        raise FailureError(
            f"The pipeline did not finish: {state}. What was written is kept; the same "
            "command continues."
        )
    return result


if __name__ == "__main__":
    define_flags()
    run(main, unknown_flags=True)
