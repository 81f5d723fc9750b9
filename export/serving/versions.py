"""Which versions of which models are loaded, according to the folder's policies.

The terms are TensorFlow Serving's: a version that a policy wants is *aspired*; it goes
from START through LOADING to AVAILABLE, and when it is no longer aspired, through
UNLOADING to END. A new version is AVAILABLE before the one it replaces is UNLOADING.
"""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from export.serving import loading, logs, server_config
from export.serving.loading import LoadedVersion
from export.serving.models import check_folder, find
from export.serving.server_config import VersionPolicy
from export.serving.status import Code, ServingError, invalid
from export.serving.tf_messages import in_words
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs.saved_models import versions_in

if TYPE_CHECKING:
    from export.serving.metrics import Metrics

_GRACE_SECONDS = 10


class State(StrEnum):
    """A version's state, by TensorFlow Serving's names."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclass(frozen=True)
class VersionStatus:
    """A version's status, as reported.

    Args:
        version: Its number.
        state: Its state.
        code: Why it is not served; None: nothing went wrong.
        message: Why it is not served.
    """

    version: int
    state: State
    code: Code | None
    message: str


@dataclass
class _Servable:
    """What the manager knows about a version; guarded by its lock."""

    name: str
    version: int
    directory: Path
    state: State = State.START
    aspired: bool = True
    loaded: LoadedVersion | None = None
    uses: int = 0
    code: Code | None = None
    message: str = ""
    # Of the files that could not be loaded.
    tried: object = None


class VersionManager:
    """Loads and unloads the versions of the models in a folder while they are in use.

    A thread checks the folder regularly; it alone loads, and requests never wait for
    it. Safe to use from several threads.

    Args:
        model_base: Holds `<name>/<integer version>/saved_model.pb` and optionally a
            `models.config`; without it the newest version of each model is served.
        poll_seconds: Between two checks of the folder.
        metrics: Counts what is loaded and unloaded.

    Raises:
        UsageError: There is no such folder, no model in it, or its config is bad.
    """

    def __init__(
        self,
        model_base: Path,
        poll_seconds: float = 1.0,
        metrics: "Metrics | None" = None,
    ) -> None:
        check_folder(model_base)
        self._model_base = model_base
        self._poll_seconds = poll_seconds
        self._metrics = metrics
        self._policies = server_config.read(model_base)
        self._troubles: dict[str, str] = {}
        self._lock = threading.Lock()
        self._servables: dict[str, dict[int, _Servable]] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(
            target=self._poll_on, name="versions", daemon=True
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Loads the existing versions, and starts watching for changes.

        Raises:
            FailureError: No version could be loaded.
        """
        self._poll()
        if not self.serving():
            raise FailureError(self._why_nothing())
        self._thread.start()

    def close(self) -> None:
        """Stops watching for changes."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_GRACE_SECONDS)

    @contextmanager
    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[LoadedVersion]:
        """Provides a version that stays loaded until the `with` block is left.

        Args:
            name: Of the model.
            version: Exactly this one; None: the newest that is available.
            label: Instead of the version, its label.

        Raises:
            ServingError: There is no such model, version or label.
        """
        with self._lock:
            servable, loaded = self._resolve(name, version, label)
            servable.uses += 1
        try:
            yield loaded
        finally:
            with self._lock:
                servable.uses -= 1
                if servable.state is State.UNLOADING:
                    self._wake.set()

    def status(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """Returns the status of a model's versions, newest first.

        Versions that failed to load or were unloaded are at END.

        Args:
            name: Of the model.
            version: Only this one.

        Raises:
            ServingError: There is no such model or version.
        """
        with self._lock:
            found = [
                VersionStatus(s.version, s.state, s.code, s.message)
                for number, s in self._servables.get(name, {}).items()
                if version in (None, number)
            ]
        if not found:
            wanted = "any versions" if version is None else f"version {version}"
            raise ServingError(
                Code.NOT_FOUND, f"Could not find {wanted} of model {name}"
            )
        return sorted(found, key=lambda status: status.version, reverse=True)

    def names(self) -> list[str]:
        """Returns the models with an available version, sorted."""
        return list(self.serving())

    def serving(self) -> dict[str, list[int]]:
        """Returns the available versions of each model, newest first."""
        found: dict[str, list[int]] = {}
        for servable in sorted(self._all(), key=lambda s: (s.name, -s.version)):
            if servable.state is State.AVAILABLE:
                found.setdefault(servable.name, []).append(servable.version)
        return found

    def _why_nothing(self) -> str:
        failed = next((s for s in self._all() if s.code is not None), None)
        config = self._model_base / server_config.MODELS_CONFIG
        if failed is None:
            return f"{config} selects none of the available versions. Name one there."
        there = versions_in(failed.directory.parent).keys()
        others = there - self._servables[failed.name].keys()
        if not others:
            return failed.message
        return (
            f"{failed.message.rstrip('.')}. Version {max(others)} exists too, but "
            f"only what the policy wants is served: name it in {config} "
            "(model_version_policy)."
        )

    def _all(self) -> list[_Servable]:
        with self._lock:
            return [s for known in self._servables.values() for s in known.values()]

    def _resolve(
        self, name: str, version: int | None, label: str | None
    ) -> tuple[_Servable, LoadedVersion]:
        if label is not None:
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise invalid(f"Unrecognized servable version label: {label}")
        available = {
            number: (servable, servable.loaded)
            for number, servable in self._servables.get(name, {}).items()
            if servable.state is State.AVAILABLE and servable.loaded is not None
        }
        wanted = (
            f"Latest({name})" if version is None else f"Specific({name}, {version})"
        )
        version = max(available, default=None) if version is None else version
        if version not in available:
            raise ServingError(
                Code.NOT_FOUND, f"Servable not found for request: {wanted}"
            )
        return available[version]

    def _poll_on(self) -> None:
        while not self._closed:
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
            try:
                self._poll()
                self._troubles.pop("poll_failed", None)
            except Exception as error:
                # Mostly files that vanish at this moment; the next check may succeed.
                self._tell_once("poll_failed", error)

    def _poll(self) -> None:
        self._read_config()
        self._aspire(find(self._model_base))
        for name in sorted(self._servables):
            self._settle(name)
            while not self._closed and (servable := self._next_to_load(name)):
                self._load(servable)
                self._settle(name)

    def _read_config(self) -> None:
        try:
            policies = server_config.read(self._model_base)
        except UsageError as error:
            self._tell_once("config_refused", error)
            return
        self._troubles.pop("config_refused", None)
        if policies != self._policies:
            logs.log("config_read", models=sorted(policies))
        self._policies = policies

    def _tell_once(self, event: str, error: Exception) -> None:
        """Logs a problem when it is new, not at every check of the folder."""
        if self._troubles.get(event) != str(error):
            self._troubles[event] = str(error)
            logs.log(event, "error", error=str(error))

    def _aspire(self, found: dict[str, dict[int, Path]]) -> None:
        """Notes which of the versions `found` the policies want."""
        wanted = {
            (name, version): directories[version]
            for name, directories in found.items()
            for version in self._policy(name).aspired(directories)
        }
        for servable in self._all():
            servable.aspired = (servable.name, servable.version) in wanted
        for (name, version), directory in wanted.items():
            known = self._servables.get(name, {}).get(version)
            ended = known is not None and known.state is State.END
            if known is None or (
                ended
                and (known.code is None or known.tried != loading.files(directory))
            ):
                with self._lock:
                    servable = _Servable(name, version, directory)
                    self._servables.setdefault(name, {})[version] = servable

    def _policy(self, name: str) -> VersionPolicy:
        return self._policies.get(name, VersionPolicy())

    def _next_to_load(self, name: str) -> _Servable | None:
        """The newest of a model's versions that wait to be loaded."""
        known = self._servables[name].values()
        waiting = [s for s in known if s.state is State.START]
        return max(waiting, key=lambda s: s.version, default=None)

    def _load(self, servable: _Servable) -> None:
        """Makes a version AVAILABLE, or sets it to END with its error."""
        told: dict[str, Any] = {"name": servable.name, "version": servable.version}
        servable.tried = loading.files(servable.directory)
        with self._lock:
            servable.state = State.LOADING
        logs.log("model_loading", **told)
        started = time.monotonic()
        try:
            loaded = loading.load(servable.name, servable.version, servable.directory)
        except Exception as error:
            # A damaged file makes the loader raise almost anything.
            self._failed(servable, error)
            return
        seconds = round(time.monotonic() - started, 3)
        if self._metrics is not None:
            self._metrics.model_loaded(servable.name, servable.version)
            self._metrics.warmed_up(servable.name, loaded.warm_up_seconds)
        with self._lock:
            servable.loaded = loaded
            servable.state = State.AVAILABLE
        logs.log("model_loaded", **told, seconds=seconds)

    def _failed(self, servable: _Servable, error: Exception) -> None:
        with self._lock:
            servable.code = (
                error.code if isinstance(error, ServingError) else Code.INTERNAL
            )
            servable.message = f"Could not load {servable.directory}: {in_words(error)}"
            servable.state = State.END
        logs.log(
            "model_load_failed",
            "error",
            name=servable.name,
            version=servable.version,
            error=servable.message,
        )
        if self._metrics is not None:
            self._metrics.load_failed(servable.name)

    def _settle(self, name: str) -> None:
        """Moves labels, and unloads what is no longer aspired."""
        with self._lock:
            known = self._servables[name]
            available = {s for s in known if known[s].state is State.AVAILABLE}
            # As in TensorFlow Serving, only an available version is labelled.
            labels = self._labels.get(name, {})
            self._labels[name] = {
                label: version if version in available else labels[label]
                for label, version in self._policy(name).labels.items()
                if version in available or label in labels
            }
            aspired = {version for version in known if known[version].aspired}
            for version in set(known) - aspired:
                if known[version].state is State.START:
                    known[version].state = State.END
                elif version in available and (not aspired or aspired & available):
                    known[version].state = State.UNLOADING
            drained = [
                servable
                for servable in known.values()
                if servable.state is State.UNLOADING and not servable.uses
            ]
            for servable in drained:
                servable.loaded = None
                servable.state = State.END
        for servable in drained:
            logs.log("model_unloaded", name=name, version=servable.version)
            if self._metrics is not None:
                self._metrics.model_unloaded(name, servable.version)
        if drained:
            # TensorFlow's objects form cycles: their memory would stay allocated for
            # long.
            gc.collect()
