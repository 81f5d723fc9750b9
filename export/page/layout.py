"""The layout of the studio's page, and what its buttons do."""

import functools
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from export.page import bodies
from export.page.bodies import Generation, Mixing, Offer
from export.page.endpoint import Endpoint, Unserved
from export.page.files import Files
from tfgan_models.errors import FailureError, UsageError

MOST_PICTURES = 16
MOST_MIXED = 5
LARGEST_PSI = 2
PSI = 0.7
CUTOFF = 4
STYLE = """
footer { display: none !important; }
/* As many pictures beside one another as fit, on a telephone too. */
.studio-gallery .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)) !important;
}
/* The table of a small model is as wide as that of a large one. */
.studio-table .image-frame, .studio-table .image-frame img { width: 100% !important; }
"""

Controls = dict[str, gr.components.Component]


def build(endpoint: Endpoint, folder: Path) -> gr.Blocks:
    """Builds the page: a tab for each model, of what the endpoint says it offers.

    Args:
        endpoint: Asked anew whenever the page is loaded.
        folder: Of temporary files, which are deleted there after a day.
    """
    studio = _Studio(endpoint, Files(folder))
    with gr.Blocks(title="Studio", analytics_enabled=False) as page:
        with gr.Row(equal_height=True):
            gr.Markdown("# Studio")
            again = gr.Button(
                "Look for new versions", size="sm", scale=0, min_width=190
            )

        @gr.render(triggers=[page.load, again.click])
        def models() -> None:
            studio.show()

    return page


@dataclass(frozen=True)
class _Studio:
    """The endpoint, and where files for the browser are put."""

    endpoint: Endpoint
    files: Files

    def show(self) -> None:
        """Lays out what the endpoint offers at this moment."""
        try:
            offers = self.endpoint.offers()
        except (UsageError, FailureError) as error:
            gr.Markdown(html.escape(str(error)))
            return
        with gr.Tabs():
            for offer in offers:
                with gr.Tab(offer.name):
                    if isinstance(offer, Unserved):
                        gr.Markdown(f"Not served. {html.escape(offer.reason)}")
                    else:
                        self._show_offer(offer)

    def _show_offer(self, offer: Offer) -> None:
        gr.Markdown(
            f"**{html.escape(offer.name)}**, version {html.escape(offer.version)}"
        )
        if offer.made is not None:
            self._show_files(offer, offer.made)
        if offer.generation is not None:
            self._show_generation(offer, offer.generation)
        if offer.mixing is not None:
            self._show_mixing(offer, offer.mixing)
        if offer.made is None and offer.generation is None and offer.mixing is None:
            gr.Markdown(
                "Its signatures have no form here: "
                f"{html.escape(', '.join(offer.signatures))}. Programs can ask them."
            )

    def _show_files(self, offer: Offer, made: str) -> None:
        upscales = made == bodies.UPSCALED
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                photo = gr.File(
                    label=f"A picture to {'enlarge' if upscales else 'translate'}",
                    file_types=["image"],
                    height=160,
                )
            with gr.Column(scale=2, min_width=280):
                slider = gr.ImageSlider(
                    label="Bicubic | upscaled" if upscales else "Original | translated",
                    format="png",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                )
                download = gr.DownloadButton("Download PNG", visible=False)
        photo.change(
            functools.partial(self._of_file, offer.name, made),
            photo,
            [slider, download],
            api_visibility="private",
        )

    def _of_file(self, name: str, made: str, photo: str | None) -> Iterator[Any]:
        # What is shown belongs to the file before.
        yield None, gr.DownloadButton(visible=False)
        if photo is None:
            return
        with _messages():
            sent = Path(photo).read_bytes()
            contents = bodies.prepared(sent)
            answer = self.endpoint.predict(name, bodies.file_request(contents))
            (result,) = bodies.files(answer, made)
            before, suffix = contents, Path(photo).suffix
            if made == bodies.UPSCALED:
                before, suffix = bodies.bicubic(contents, result), ".png"
            elif contents is not sent:
                suffix = ".png"
            stem = Path(photo).stem
            after = self.files.write(
                f"{stem}_{made.removesuffix('_bytes')}.png", result
            )
            shown = self.files.write(f"{stem}_before{suffix}", before)
        yield (shown, after), gr.DownloadButton(value=after, visible=True)

    def _show_generation(self, offer: Offer, generation: Generation) -> None:
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                controls = _generation_controls(generation)
                button = gr.Button("Generate", variant="primary")
            with gr.Column(scale=2, min_width=280):
                gallery = gr.Gallery(
                    label="Pictures",
                    show_label=False,
                    format="png",
                    object_fit="contain",
                    height="auto",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    elem_classes="studio-gallery",
                )
                download = gr.DownloadButton("Download", visible=False)
        triggers = [button.click]
        if "caption" in controls:
            triggers.append(controls["caption"].submit)
        gr.on(
            triggers,
            functools.partial(self._generate, offer.name, generation, tuple(controls)),
            list(controls.values()),
            [gallery, download],
            api_visibility="private",
        )

    def _generate(
        self, name: str, generation: Generation, names: Sequence[str], *values: Any
    ) -> tuple[Any, ...]:
        form = dict(zip(names, values, strict=True))
        with _messages():
            seeds = bodies.seeds_from(form["seed"], form["count"])
            requests = bodies.generate_requests(generation, seeds, _given(form))
            pictures = self._pictures(name, requests)
            named = {
                f"{name}_{seed}.png": file
                for seed, file in zip(seeds, pictures, strict=True)
            }
            paths = [self.files.write(*item) for item in named.items()]
            packed = paths[0]
            if len(paths) > 1:
                packed = self.files.write(
                    f"{name}_{seeds[0]}-{seeds[-1]}.zip", bodies.archive(named)
                )
        shown = [(path, f"seed {s}") for path, s in zip(paths, seeds, strict=True)]
        return shown, gr.DownloadButton(value=packed, visible=True)

    def _show_mixing(self, offer: Offer, mixing: Mixing) -> None:
        gr.Markdown("### Mix styles")
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                controls = _mixing_controls(mixing)
                button = gr.Button("Mix", variant="primary")
            with gr.Column(scale=2, min_width=280):
                shown = gr.Image(
                    label="Coarse seeds on the left, fine seeds above",
                    format="png",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="studio-table",
                )
                download = gr.DownloadButton("Download PNG", visible=False)
        button.click(
            functools.partial(self._mix, offer.name, mixing, tuple(controls)),
            list(controls.values()),
            [shown, download],
            api_visibility="private",
        )

    def _mix(
        self, name: str, mixing: Mixing, names: Sequence[str], *values: Any
    ) -> tuple[Any, ...]:
        form = dict(zip(names, values, strict=True))
        with _messages():
            coarse = bodies.seeds_from(form["coarse"], form["rows"])
            fine = bodies.seeds_from(form["fine"], form["columns"])
            pairs = bodies.mix_pairs(coarse, fine)
            requests = bodies.mix_requests(mixing, pairs, _given(form))
            pictures = self._pictures(name, requests)
            drawn = bodies.table(pictures, len(fine) + 1)
            path = self.files.write(f"{name}_mix_{coarse[0]}_{fine[0]}.png", drawn)
        return path, gr.DownloadButton(value=path, visible=True)

    def _pictures(self, name: str, requests: Sequence[bodies.Body]) -> list[bytes]:
        return [
            file
            for body in requests
            for file in bodies.files(self.endpoint.predict(name, body))
        ]


def _generation_controls(generation: Generation) -> Controls:
    controls: Controls = {}
    if "caption" in generation.inputs:
        controls["caption"] = gr.Textbox(label="Caption", lines=1, interactive=True)
    controls["seed"] = _number("Seed", 0)
    controls["count"] = _slider("Pictures", 1, MOST_PICTURES, 4)
    if "truncation_psi" in generation.inputs:
        controls["truncation_psi"] = _slider(
            "Truncation psi", -LARGEST_PSI, LARGEST_PSI, PSI, step=0.05
        )
    if "label" in generation.inputs:
        controls["label"] = _number("Class, from 0", 0)
    return controls


def _mixing_controls(mixing: Mixing) -> Controls:
    controls: Controls = {
        "coarse": _number("First coarse seed: the rows", 0),
        "fine": _number("First fine seed: the columns", 100),
        "rows": _slider("Rows", 1, MOST_MIXED, 2),
        "columns": _slider("Columns", 1, MOST_MIXED, 3),
    }
    told = "The first style layer that is the fine seed's"
    if mixing.layers is None:
        controls["cutoff"] = _number(told, CUTOFF)
    else:
        cutoff = min(CUTOFF, mixing.layers)
        controls["cutoff"] = _slider(told, 0, mixing.layers, cutoff)
    if "label" in mixing.inputs:
        controls["label"] = _number("Class, from 0", 0)
    return controls


@contextmanager
def _messages() -> Iterator[None]:
    """Shows errors that a person can act on as messages on the page."""
    try:
        yield
    except (UsageError, FailureError) as error:
        # Gradio takes the text for HTML.
        raise gr.Error(
            html.escape(str(error)), duration=None, print_exception=False
        ) from error


def _given(form: Mapping[str, Any]) -> dict[str, Any]:
    """A form's values as a signature's inputs."""
    wholes: dict[str, Callable[..., Any]] = {
        name: functools.partial(bodies.whole, name) for name in ("label", "cutoff")
    }
    return {name: wholes.get(name, lambda v: v)(value) for name, value in form.items()}


def _number(label: str, value: int) -> gr.Number:
    return gr.Number(value, label=label, precision=0, interactive=True)


def _slider(
    label: str, smallest: float, largest: float, value: float, step: float = 1
) -> gr.Slider:
    return gr.Slider(smallest, largest, value, step=step, label=label, interactive=True)
