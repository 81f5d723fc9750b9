"""Malformed requests by the thousand: refused, and the endpoint is as it was before."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tensorflow_serving.apis import predict_pb2

from export.signatures.writing import write_saved_model
from tests.export.conftest import Endpoint, endpoint
from tests.export.serving import fuzz_grpc, fuzz_kinds, fuzz_openapi
from tests.export.serving.fuzz import (
    SECONDS,
    Attack,
    Fuzzer,
    Grpc,
    Http,
    Outcome,
    Target,
)
from tests.export.serving.fuzz_http import BODY_MB, slow_loris
from tests.export.serving.fuzz_images import PREDICT
from tests.export.serving.fuzz_json import BASES
from tfgan_models.networks import ResNetGenerator

SEED = 8501
EACH = 4
HEAVY = 48
LORISES = 8
WARM = 0.15
GROWTH = 1.05
SPARE = 10
"""Files and threads that come and go."""


class Good:
    """Valid requests, and what they are answered with when nothing else is asked."""

    def __init__(self, target: Target) -> None:
        host, port = target.rest
        self.models, self.target = f"http://{host}:{port}/v1/models", target
        self.expected = self.answers()
        for status, content in self.expected[: len(BASES)]:
            assert status == 200, content
        half = BASES.index(("half", {"instances": [1.0, 2.0]}))
        assert json.loads(self.expected[half][1]) == {"predictions": [2.5, 3.0]}

    def __call__(self) -> str | None:
        answers = self.answers()
        for now, before in zip(answers, self.expected, strict=True):
            if now != before:
                return f"{before} before, now {now}"[:2000]
        return None

    def answers(self) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = []
        for model, body in BASES:
            url = f"{self.models}/{model}:predict"
            answer = httpx.post(url, json=body, timeout=SECONDS)
            found.append((answer.status_code, answer.content))
        predict = self.target.channel.unary_unary(PREDICT)
        for model in ("half", "encoded", "mixed"):
            raw = predict(fuzz_grpc.good(model).SerializeToString(), timeout=SECONDS)
            outputs = predict_pb2.PredictResponse.FromString(raw).outputs
            found.append((model, {name: str(outputs[name]) for name in outputs}))
        return found


@pytest.fixture(scope="module")
def served(
    model_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    base = tmp_path_factory.mktemp("fuzzed")
    for name in ("half", "mixed"):
        (base / name).symlink_to(model_base / name)
    write_saved_model(ResNetGenerator(filters=2, residual_blocks=0), base / "photo/1")
    with endpoint(f"--model_base={base}", f"--max_body_mb={BODY_MB}") as running:
        yield running


@pytest.fixture(scope="module")
def target(served: Endpoint) -> Iterator[Target]:
    host, port = served.address.removeprefix("http://").split(":")
    found = Target(served.process.pid, (host, int(port)), served.grpc_address)
    yield found
    found.channel.close()


@pytest.fixture(scope="module")
def good(target: Target) -> Good:
    return Good(target)


def assert_unharmed(fuzzer: Fuzzer, served: Endpoint) -> None:
    """Fails if any answer was wrong, or what was logged tells of an accident."""
    assert not fuzzer.problems, (
        f"{len(fuzzer.problems)} problems; attack N is "
        f"fuzz_kinds.make({SEED}, N):\n" + "\n".join(fuzzer.problems[:20])
    )
    assert served.process.poll() is None
    logged = served.log.read_text(errors="replace")
    assert "Traceback" not in logged
    assert "request_failed" not in logged
    entries = served.entries()
    assert entries
    assert {entry["event"] for entry in entries if entry["level"] == "error"} <= {"log"}


def attack_with(target: Target, good: Good, count: int, generated: int) -> Fuzzer:
    """Sends attacks by number, and such as schemathesis makes."""
    fuzzer = Fuzzer(target, lambda index: fuzz_kinds.make(SEED, index), good)
    host, port = target.rest
    page = httpx.get(f"http://{host}:{port}/openapi.json").json()
    with slow_loris(target.rest, LORISES):
        fuzzer.run(range(count // 2))
        fuzz_openapi.run(fuzzer, page, SEED, generated)
        fuzzer.run(range(count // 2, count))
    fuzzer.check_good("after all attacks")
    return fuzzer


def wait_until(holds: Callable[[], bool]) -> None:
    """Fails unless it holds within seconds: the last connections are being closed."""
    for _ in range(100):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("files are still open")


def test_an_attack_is_always_the_same() -> None:
    def made() -> list[Attack]:
        return [fuzz_kinds.make(SEED, index) for index in range(100)]

    assert made() == made()
    assert {fuzz_kinds.make(1, i).shown() for i in range(5)} != {
        fuzz_kinds.make(2, i).shown() for i in range(5)
    }


ERROR = b'{"error": "no"}'


@pytest.mark.parametrize(
    ("attack", "outcome", "problem"),
    [
        (Http("a", b""), Outcome("400", ERROR), None),
        (Http("a", b""), Outcome("501", ERROR), None),
        (Http("a", b""), Outcome("500", ERROR), "answered 500"),
        (Http("a", b""), Outcome("503", ERROR), "answered 503"),
        (Http("a", b""), Outcome("200", b"{}"), "answered 200"),
        (Http("a", b""), Outcome("closed"), "answered closed"),
        (Http("a", b""), Outcome("hung"), "answered hung"),
        (Http("a", b""), Outcome("400", b"no"), "no JSON"),
        (Http("a", b""), Outcome("400", b"[]"), "no error text"),
        (Http("a", b""), Outcome("400", b'{"error": "%b"}' % (b"x" * 20_000)), "20013"),
        (Http("a", b"", harmless=True), Outcome("200"), None),
        (Http("a", b"", closes=True), Outcome("closed"), None),
        (Http("a", b"", closes=True), Outcome("hung"), "answered hung"),
        (Http("a", b"", json=False), Outcome("400", b"no"), None),
        (Grpc("a", "/", b""), Outcome("INVALID_ARGUMENT"), None),
        (Grpc("a", "/", b""), Outcome("OK"), "answered OK"),
        (Grpc("a", "/", b""), Outcome("INTERNAL", b"deserializing"), "INTERNAL"),
        (
            Grpc("a", "/", b"", garbage=True),
            Outcome("INTERNAL", b"deserializing"),
            None,
        ),
        (Grpc("a", "/", b"", garbage=True), Outcome("INTERNAL", b"x"), "INTERNAL"),
        (Grpc("a", "/", b"", harmless=True), Outcome("UNAVAILABLE"), "UNAVAILABLE"),
    ],
)
def test_what_is_a_problem(
    attack: Attack, outcome: Outcome, problem: str | None
) -> None:
    found = attack.problem(outcome)
    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")


def test_growth_is_that_of_the_medians() -> None:
    fuzzer = Fuzzer(Target(0, ("", 0), "localhost:1"), range, lambda: None)
    fuzzer.memory = [1, 1, 1, 50, 10, 9, *range(12, 20), 10, 11, 99]
    assert fuzzer.growth(3 / 16) == 1.1
    fuzzer.target.channel.close()


@pytest.mark.parametrize("kind", fuzz_kinds.KINDS, ids=lambda kind: kind.__qualname__)
def test_each_kind(
    kind: Callable[[random.Random], Attack],
    target: Target,
    good: Good,
    served: Endpoint,
) -> None:
    attacks = [kind(random.Random(f"{SEED}:{i}")) for i in range(EACH)]
    fuzzer = Fuzzer(target, attacks.__getitem__, good)
    fuzzer.run(range(EACH))
    assert_unharmed(fuzzer, served)
    assert fuzzer.sent == EACH


def test_a_few_hundred(target: Target, good: Good, served: Endpoint) -> None:
    fuzzer = attack_with(target, good, count=150, generated=50)
    assert_unharmed(fuzzer, served)
    assert sum(fuzzer.refused.values()) > 150


@pytest.mark.slow
def test_ten_thousand(target: Target, good: Good, served: Endpoint) -> None:
    # What the costly ones take once, the allocator keeps.
    for kind in fuzz_kinds.KINDS:
        warm_up = Fuzzer(target, lambda i, k=kind: k(random.Random(i)), good)
        warm_up.run(range(HEAVY))
        assert_unharmed(warm_up, served)
    files, threads = target.open_files(), target.threads()
    fuzzer = attack_with(target, good, count=12_000, generated=1500)
    refused = sum(fuzzer.refused.values())
    growth = fuzzer.growth(WARM)
    megabytes = [f"{size / 1e6:.0f}" for size in fuzzer.memory]
    print(
        f"{fuzzer.sent} attacks, {refused} refused: {dict(fuzzer.refused)}",
        f"slowest: {fuzzer.slowest[0]:.2f} s, {fuzzer.slowest[1]}",
        f"memory, MB: {' '.join(megabytes[:: max(1, len(megabytes) // 40)])}",
        f"growth of the medians: {growth:.4f}",
        f"files: {files}, then {target.open_files()}",
        f"threads: {threads}, then {target.threads()}",
        sep="\n",
    )
    assert_unharmed(fuzzer, served)
    assert refused >= 10_000
    assert growth < GROWTH
    assert target.threads() <= threads + SPARE
    wait_until(lambda: target.open_files() <= files + SPARE)
