"""What Prometheus reads from the endpoint."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from export.serving.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.model_loaded("half", 12)
    return metrics


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(metrics.text().decode()):
        for found in family.samples:
            # The parser gives every counter the ending that ours have not.
            names = (found.name, found.name.removesuffix("_total"))
            if name in names and found.labels == labels:
                return found.value
    return None


def test_requests_are_counted_as_tensorflow_serving_does(metrics: Metrics) -> None:
    for status in ("OK", "OK", "INVALID_ARGUMENT"):
        metrics.request_finished("half", "REST", "Predict", status, 0.5)
    metrics.request_finished("half", "gRPC", "Predict", "OK", 0.25)
    metrics.request_finished("half", "gRPC", "GetModelStatus", "OK", 0.25)
    count = ":tensorflow:serving:request_count"
    assert sample(metrics, count, model_name="half", status="OK") == 3
    assert sample(metrics, count, model_name="half", status="INVALID_ARGUMENT") == 1
    text = metrics.text().decode()
    assert "# TYPE :tensorflow:serving:request_count counter\n" in text
    line = ':tensorflow:serving:request_count{model_name="half",status="OK"} 3.0'
    assert line in text.splitlines()
    latency = ":tensorflow:serving:request_latency"
    labels = {"model_name": "half", "API": "Predict"}
    assert sample(metrics, f"{latency}_count", **labels, entrypoint="REST") == 3
    assert sample(metrics, f"{latency}_sum", **labels, entrypoint="GRPC") == 250_000


def test_latencies_are_in_buckets_of_microseconds(metrics: Metrics) -> None:
    metrics.request_finished("half", "REST", "Predict", "OK", 15e-6)
    name = ":tensorflow:serving:request_latency_bucket"
    labels = {"model_name": "half", "API": "Predict", "entrypoint": "REST"}
    assert sample(metrics, name, **labels, le="10.0") == 0
    assert sample(metrics, name, **labels, le="18.0") == 1
    assert sample(metrics, name, **labels, le="+Inf") == 1


def test_names_from_outside_become_no_labels(metrics: Metrics) -> None:
    metrics.request_finished("half", "REST", "Predict", "OK", 0.1)
    before = len(metrics.text().splitlines())
    for i in range(50):
        metrics.request_finished(f"guess{i}", "REST", "Predict", "NOT_FOUND", 0.1)
    once = len(metrics.text().splitlines())
    for i in range(50):
        metrics.request_finished(f"again{i}", "REST", "Predict", "NOT_FOUND", 0.1)
    text = metrics.text().decode()
    assert before < once == len(text.splitlines())
    assert "guess" not in text
    count = ":tensorflow:serving:request_count"
    assert sample(metrics, count, model_name="", status="NOT_FOUND") == 100


def test_models_and_batches(metrics: Metrics) -> None:
    metrics.model_loaded("half", 13)
    metrics.model_unloaded("half", 12)
    metrics.load_failed("half")
    metrics.warmed_up("half", 2.0)
    metrics.batch_run("half", 3, 0.001)
    metrics.queue_length(lambda: 7)
    loaded = "tfgan_serving_model_loaded"
    assert sample(metrics, loaded, model_name="half", version="13") == 1
    assert sample(metrics, loaded, model_name="half", version="12") is None
    failures = "tfgan_serving_model_load_failures_total"
    assert sample(metrics, failures, model_name="half") == 1
    warmup = ":tensorflow:serving:model_warmup_latency_sum"
    assert sample(metrics, warmup, model_name="half") == 2_000_000
    size = ":tensorflow:serving:batching:processed_batch_size_sum"
    assert sample(metrics, size, model_name="half") == 3
    runtime = ":tensorflow:serving:runtime_latency_sum"
    labels = {"model_name": "half", "API": "Predict", "runtime": "TF2"}
    assert sample(metrics, runtime, **labels) == 1000
    assert sample(metrics, "tfgan_serving_queue_length") == 7


def test_every_line_is_one_that_prometheus_takes(metrics: Metrics) -> None:
    metrics.request_finished("half", "REST", "Predict", "OK", 0.1)
    name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
    line = re.compile(
        rf'# (HELP|TYPE) {name} .+|{name}(\{{(\w+="[^"\\]*",?)*\}})? [0-9.e+-]+'
    )
    for text in metrics.text().decode().splitlines():
        assert line.fullmatch(text), text


def test_two_endpoints_count_apart(metrics: Metrics) -> None:
    metrics.request_finished("half", "REST", "Predict", "OK", 0.1)
    other = Metrics()
    count = ":tensorflow:serving:request_count"
    assert sample(other, count, model_name="half", status="OK") is None
