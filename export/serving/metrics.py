"""The endpoint's Prometheus metrics, with TensorFlow Serving's names.

Labels are bounded: a model is named only while or after it was served; requests for
any other name are counted under model_name="".
"""

import re
import threading
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Microseconds, as TensorFlow Serving divides them: 10 us to 20 minutes.
_MICROSECONDS = [10 * 1.8**i for i in range(33)]
_SIZES = [2**i for i in range(11)]
# The methods that TensorFlow Serving counts.
_INFERENCE = ("Predict", "Classify", "Regress")


class Metrics:
    """The counters of one endpoint. Safe to use from several threads."""

    def __init__(self) -> None:
        # Each counter would come with another one, the time of its creation.
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._models: set[str] = set()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = self._histogram(
            ":tensorflow:serving:request_latency",
            "Wall time in microseconds of a request.",
            ["model_name", "API", "entrypoint"],
            _MICROSECONDS,
        )
        self._runtime = self._histogram(
            ":tensorflow:serving:runtime_latency",
            "Wall time in microseconds of the TensorFlow runtime.",
            ["model_name", "API", "runtime"],
            _MICROSECONDS,
        )
        self._warmup = self._histogram(
            ":tensorflow:serving:model_warmup_latency",
            "Wall time in microseconds of a model's warm-up.",
            ["model_name"],
            _MICROSECONDS,
        )
        self._batches = self._histogram(
            ":tensorflow:serving:batching:processed_batch_size",
            "Examples in each run of a model.",
            ["model_name"],
            _SIZES,
        )
        self._loaded = self._gauge(
            "tfgan_serving_model_loaded",
            "1 for each loaded version of a model.",
            ["model_name", "version"],
        )
        self._failures = Counter(
            "tfgan_serving_model_load_failures",
            "Versions that could not be loaded.",
            ["model_name"],
            registry=self._registry,
        )
        self._queue = self._gauge(
            "tfgan_serving_queue_length", "Requests waiting for their batch.", []
        )

    def request_finished(
        self, model: str, protocol: str, method: str, status: str, seconds: float
    ) -> None:
        """Counts an answered request.

        Args:
            model: As the client named it.
            protocol: "REST" or "gRPC".
            method: "Predict", "Classify" or "Regress"; others are not counted.
            status: "OK" or the name of a `status.Code`.
            seconds: From its arrival to its answer.
        """
        if method not in _INFERENCE:
            return
        name = self._label(model)
        self._requests.labels(name, status).inc()
        self._latency.labels(name, method, protocol.upper()).observe(1e6 * seconds)

    def batch_run(self, model: str, size: int, seconds: float) -> None:
        """Counts one run of a model.

        Args:
            model: Its name.
            size: Number of examples.
            seconds: Duration.
        """
        name = self._label(model)
        self._batches.labels(name).observe(size)
        self._runtime.labels(name, "Predict", "TF2").observe(1e6 * seconds)

    def model_loaded(self, model: str, version: int) -> None:
        """Notes that a version is now served."""
        with self._lock:
            self._models.add(model)
        self._loaded.labels(model, version).set(1)

    def model_unloaded(self, model: str, version: int) -> None:
        """Notes that a version is no longer served."""
        self._loaded.remove(model, version)

    def load_failed(self, model: str) -> None:
        """Counts a version that could not be loaded."""
        self._failures.labels(model).inc()

    def warmed_up(self, model: str, seconds: float) -> None:
        """Counts a finished warm-up."""
        self._warmup.labels(model).observe(1e6 * seconds)

    def queue_length(self, read: Callable[[], int]) -> None:
        """Reports what `read` returns as the number of waiting requests."""
        self._queue.set_function(read)

    def text(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        text = generate_latest(self._registry)
        # TensorFlow Serving's counters lack the suffix that the library requires.
        return re.sub(rb"(:tensorflow:serving:request_count)_total\b", rb"\1", text)

    def _label(self, model: str) -> str:
        with self._lock:
            return model if model in self._models else ""

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, labels: list[str], buckets: list[float]
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)
