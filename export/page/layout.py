"""The layout of the studio's page, and its buttons' actions."""

import functools
import html
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
from gradio.data_classes import ImageData

from export.clients import image_files
from export.page import bodies, samples
from export.page.bodies import Generation, Mixing, Offer
from export.page.controls import Controls, generation_controls, given, mixing_controls
from export.page.endpoint import Endpoint, Unserved
from export.page.files import Files
from tfgan_models.errors import FailureError, UsageError

STYLE = Path(__file__).with_name("studio.css")
LARGEST_RANDOM_SEED = 9999
SMALL = 256
"""Below this width, in pixels, the page shows square pixels."""

# The page has no API for programs, which use the endpoint.
_on = functools.partial(gr.on, api_visibility="private")
Results: TypeAlias = tuple[gr.components.Component, gr.DownloadButton]


def build(endpoint: Endpoint, folder: Path) -> gr.Blocks:
    """Builds the page: a card for each model, and the form of the chosen one.

    Args:
        endpoint: Queried whenever the page is loaded or a model is chosen.
        folder: For temporary files, which are deleted after a day.
    """
    studio = _Studio(endpoint, Files(folder))
    with gr.Blocks(title="Studio", analytics_enabled=False) as page:
        with gr.Row(equal_height=True):
            gr.Markdown("# Studio")
            again = gr.Button(
                "Check for new versions", size="sm", scale=0, min_width=190
            )
        models = gr.Radio(
            endpoint.names(),
            label="Models",
            container=False,
            interactive=False,
            elem_classes="studio-models",
        )
        told = _told(_busy("Loading the models"))
        clock = gr.Timer(1)
        _on(
            [page.load, again.click, clock.tick],
            studio.look,
            models,
            [models, told, clock],
            show_progress="hidden",
        )

        @gr.render(models, [models.change, again.click], show_progress="hidden")
        def panel(name: str | None) -> None:
            if name is not None:
                studio.show(name)

    return page


@dataclass(frozen=True)
class _Studio:
    """The endpoint, and the folder of files for the browser."""

    endpoint: Endpoint
    files: Files

    def look(self, chosen: str | None) -> tuple[object, ...]:
        """Returns the models, their status text, and whether to check again."""
        if waiting := self.endpoint.waiting():
            return gr.skip(), _busy(waiting), gr.skip()
        try:
            offers = self.endpoint.offers()
        except (UsageError, FailureError) as error:
            return gr.skip(), _error(error), gr.skip()
        names = [offer.name for offer in offers]
        cards = gr.Radio(
            [(f"{offer.name}\n{_card(offer)}", offer.name) for offer in offers],
            value=chosen if chosen in names else next(iter(names), None),
            interactive=True,
        )
        return cards, "", gr.Timer(active=False)

    def show(self, name: str) -> None:
        """Lays out what a model offers at the moment."""
        try:
            offer = self.endpoint.offer(name)
        except FailureError as error:
            offer = Unserved(name, str(error))
        if isinstance(offer, Unserved):
            _told(_error(f"{name} is not served. {offer.reason}"))
            return
        forms: dict[str, Callable[[], None]] = {}
        if offer.made is not None:
            forms["Pictures"] = functools.partial(self._show_files, offer, offer.made)
        if offer.generation is not None:
            forms["Draw"] = functools.partial(
                self._show_generation, offer, offer.generation
            )
        if offer.mixing is not None:
            forms["Mix styles"] = functools.partial(
                self._show_mixing, offer, offer.mixing
            )
        if not forms:
            gr.Markdown(
                "Its signatures have no form here: "
                f"{html.escape(', '.join(offer.signatures))}. Programs can call them."
            )
        elif len(forms) == 1:
            next(iter(forms.values()))()
        else:
            with gr.Tabs():
                for title, form in forms.items():
                    with gr.Tab(title):
                        form()

    def _show_files(self, offer: Offer, made: str) -> None:
        does, busy, done = "translates", "Translating", "Original | translated"
        if made == bodies.UPSCALED:
            does, busy, done = "enlarges", "Enlarging", "Bicubic | enlarged"
        with gr.Row(elem_classes="studio-panel"):
            with _form(offer, f"{does}. Drop an image, or use one of these:"):
                with gr.Row():
                    tries = {
                        name: gr.Button(name, size="sm", min_width=80)
                        for name in samples.NAMES
                    }
                photo = gr.Image(
                    label="Picture",
                    show_label=False,
                    sources=["upload", "clipboard"],
                    height=240,
                    buttons=[],
                )
            with _results():
                told = _told()
                shown = gr.ImageSlider(
                    label=done,
                    format="png",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    max_height=4096,
                    elem_classes="studio-result",
                )
                download = gr.DownloadButton("Download PNG", visible=False)
        # Any file: Gradio's own component stops without a message if Pillow fails.
        photo.preprocess = lambda sent: sent
        for name, button in tries.items():
            _says(button.click, told, busy)
            sample = functools.partial(self._sample, name)
            _on(button.click, sample, None, photo, show_progress="hidden")
        make = functools.partial(self._of_file, offer.name, made)
        _makes(photo.change, make, [photo], [shown, download, told])
        _says(photo.upload, told, busy)

    def _sample(self, name: str) -> str:
        return self.files.write(f"{name.lower()}.png", samples.draw(name))

    def _of_file(self, name: str, made: str, photo: ImageData | None) -> Results:
        if photo is None or photo.path is None:
            return None, gr.DownloadButton(visible=False)
        path = Path(photo.path)
        called = Path(photo.orig_name or path.name)
        try:
            contents = image_files.prepared(path.read_bytes())
            answer = self.endpoint.predict(name, bodies.file_request(contents))
            (result,) = bodies.files(answer, made)
            before, suffix = contents, called.suffix
            if made == bodies.UPSCALED:
                before, suffix = bodies.bicubic(contents, result), ".png"
        except (image_files.ImageError, UsageError) as error:
            raise UsageError(f"{called.name}: {error}") from error
        before_path = self.files.write(f"{called.stem}_before{suffix}", before)
        after = self.files.write(
            f"{called.stem}_{made.removesuffix('_bytes')}.png", result
        )
        shown = gr.ImageSlider((before_path, after), elem_classes=_classes(result))
        return shown, gr.DownloadButton(value=after, visible=True)

    def _show_generation(self, offer: Offer, generation: Generation) -> None:
        does = "generates images. Each seed gives a different one."
        if "caption" in generation.inputs:
            does = (
                "generates images from captions, in words like those it was trained on."
            )
        with gr.Row(elem_classes="studio-panel"):
            with _form(offer, does):
                controls = generation_controls(generation)
                buttons = _buttons("Generate", "Random seed")
            with _results():
                told = _told()
                gallery = gr.Gallery(
                    label="Images",
                    show_label=False,
                    format="png",
                    object_fit="contain",
                    height="auto",
                    interactive=False,
                    buttons=["download", "fullscreen"],
                    elem_classes="studio-result",
                )
                download = gr.DownloadButton("Download", visible=False)
        make = functools.partial(self._generate, offer.name, generation)
        outputs = [gallery, download, told]
        _draws(buttons, make, controls, ["seed"], outputs)

    def _generate(
        self, name: str, generation: Generation, form: dict[str, Any]
    ) -> Results:
        seeds = bodies.seeds_from(form["seed"], form["count"])
        requests = bodies.generate_requests(generation, seeds, given(form))
        drawn = self._pictures(name, requests)
        named = {
            f"{name}_{seed}.png": file for seed, file in zip(seeds, drawn, strict=True)
        }
        paths = [self.files.write(*item) for item in named.items()]
        packed = paths[0]
        if len(paths) > 1:
            packed = self.files.write(
                f"{name}_{seeds[0]}-{seeds[-1]}.zip", bodies.archive(named)
            )
        gallery = gr.Gallery(
            [(path, f"seed {s}") for path, s in zip(paths, seeds, strict=True)],
            columns=bodies.grid_columns(len(paths)),
            elem_classes=_classes(drawn[0]),
        )
        return gallery, gr.DownloadButton(value=packed, visible=True)

    def _show_mixing(self, offer: Offer, mixing: Mixing) -> None:
        with gr.Row(elem_classes="studio-panel"):
            with _form(
                offer,
                "mixes styles. Pose and shape come from the image on the left, "
                "colours and texture from the one above.",
            ):
                controls = mixing_controls(mixing)
                buttons = _buttons("Mix", "Random seeds")
            with _results():
                told = _told()
                shown = gr.Image(
                    label="Mixtures",
                    show_label=False,
                    format="png",
                    type="filepath",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_classes="studio-result",
                )
                download = gr.DownloadButton("Download PNG", visible=False)
        make = functools.partial(self._mix, offer.name, mixing)
        outputs = [shown, download, told]
        _draws(buttons, make, controls, ["coarse", "fine"], outputs)

    def _mix(self, name: str, mixing: Mixing, form: dict[str, Any]) -> Results:
        coarse = bodies.seeds_from(form["coarse"], form["rows"])
        fine = bodies.seeds_from(form["fine"], form["columns"])
        pairs = bodies.mix_pairs(coarse, fine)
        requests = bodies.mix_requests(mixing, pairs, given(form))
        drawn = bodies.table(self._pictures(name, requests), len(fine) + 1)
        path = self.files.write(f"{name}_mix_{coarse[0]}_{fine[0]}.png", drawn)
        shown = gr.Image(path, elem_classes=_classes(drawn))
        return shown, gr.DownloadButton(value=path, visible=True)

    def _pictures(self, name: str, requests: Sequence[bodies.Body]) -> list[bytes]:
        return [
            file
            for body in requests
            for file in bodies.files(self.endpoint.predict(name, body))
        ]


def _draws(
    buttons: tuple[gr.Button, gr.Button],
    make: Callable[[dict[str, Any]], Results],
    controls: Controls,
    seeds: Sequence[str],
    outputs: list[gr.components.Component],
) -> None:
    """Connects the buttons below a form: generate from its seeds, or random ones."""
    names = tuple(controls)

    def of_form(*values: Any) -> Results:
        return make(dict(zip(names, values, strict=True)))

    def roll() -> int | list[int]:
        rolled = [random.randint(0, LARGEST_RANDOM_SEED) for _ in seeds]
        return rolled if len(rolled) > 1 else rolled[0]

    button, dice = buttons
    triggers = [button.click]
    if "caption" in controls:
        triggers.append(controls["caption"].submit)
    inputs = list(controls.values())
    for trigger in (*triggers, dice.click):
        _says(trigger, outputs[-1], "Drawing")
    for trigger in triggers:
        _makes(trigger, of_form, inputs, outputs)
    fields = [controls[name] for name in seeds]
    rolled = _on(dice.click, roll, None, fields, show_progress="hidden")
    _makes(rolled.then, of_form, inputs, outputs)


def _makes(
    trigger: Callable[..., Any],
    make: Callable[..., Results],
    inputs: list[gr.components.Component],
    outputs: list[gr.components.Component],
) -> None:
    """Shows what `make` returns, or an error, on an event."""

    def answer(*values: Any) -> tuple[object, ...]:
        try:
            return *make(*values), ""
        except (UsageError, FailureError) as error:
            return None, gr.DownloadButton(visible=False), _error(error)

    trigger(
        answer, inputs, outputs, show_progress_on=outputs[0], api_visibility="private"
    )


def _says(trigger: Callable[..., Any], told: gr.HTML, words: str) -> None:
    """Says in the browser what is being done, before the server is called."""
    js = f"() => {json.dumps(_busy(words))}"
    trigger(None, None, told, js=js, api_visibility="private")


def _card(offer: Offer | Unserved) -> str:
    """The text of a model's card below its name."""
    if isinstance(offer, Unserved):
        return "Not served"
    if offer.made is not None:
        task = "Translates" if offer.made == bodies.TRANSLATED else "Enlarges"
    elif offer.generation is None:
        task = "No form here"
    elif "caption" in offer.generation.inputs:
        task = "Text to image"
    else:
        task = "Generates" if offer.mixing is None else "Generates and mixes"
    # A line breaks before a dot, if it must.
    return " ·\N{NO-BREAK SPACE}".join(
        (task, offer.size, f"version\N{NO-BREAK SPACE}{offer.version}")
    )


def _form(offer: Offer, does: str) -> gr.Column:
    column = gr.Column(scale=1, min_width=300, elem_classes="studio-form")
    with column:
        gr.Markdown(f"**{html.escape(offer.name)}** {does}")
    return column


def _results() -> gr.Column:
    return gr.Column(scale=2, min_width=300)


def _buttons(verb: str, random_verb: str) -> tuple[gr.Button, gr.Button]:
    with gr.Row():
        return (
            gr.Button(verb, variant="primary", min_width=100),
            gr.Button(random_verb, min_width=100),
        )


def _told(words: str = "") -> gr.HTML:
    return gr.HTML(words, elem_classes="studio-told")


def _busy(words: str) -> str:
    return f'<p class="studio-busy" role="status">{html.escape(words)} …</p>'


def _error(error: Exception | str) -> str:
    return f'<p class="studio-error" role="alert">{html.escape(str(error))}</p>'


def _classes(contents: bytes) -> list[str]:
    """The style of an element that shows this image."""
    small = bodies.width(contents) < SMALL
    return ["studio-result", *(["studio-pixels"] if small else [])]
