"""Malformed requests to a served endpoint: sending them, and what may be answered.

Attack number `index` of a seed is always the same one: `fuzz_kinds.make(seed, index)`.
"""

import http.client
import json
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import httpx

SECONDS = 20
"""Within which every request is answered; a good one's work takes milliseconds."""
THREADS = 4
GOOD_EVERY = 50
SAMPLE_EVERY = 25
MAX_ERROR_BYTES = 10_000
"""Of an error beyond what it repeats of the request, such as a name, as it must."""

REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}


@dataclass(frozen=True)
class Outcome:
    """How an attack was answered.

    Attributes:
        status: HTTP's number, gRPC's name, or "closed", "left" and "hung".
        body: Of the answer, or gRPC's text.
    """

    status: str
    body: bytes = b""

    @property
    def refused(self) -> bool:
        """Whether the endpoint said no."""
        return self.status not in ("200", "OK", "left")


class Attack(Protocol):
    """A request that nobody should send."""

    kind: str

    def send(self, target: "Target") -> Outcome:
        """Sends it and waits for the answer."""

    def problem(self, outcome: Outcome) -> str | None:
        """Says what is wrong with the answer; None: nothing is."""

    def shown(self) -> str:
        """Returns it as a person can send it again."""


@dataclass(frozen=True)
class Http:
    """Bytes for the REST port.

    Attributes:
        kind: Of attack.
        payload: All that is sent.
        harmless: It may be a valid request by chance.
        json: The refusal is {"error": text}.
        closes: The connection may be closed without an answer.
        then: After sending: "read" the answer, "end" the sending side first, "leave".
    """

    kind: str
    payload: bytes
    harmless: bool = False
    json: bool = True
    closes: bool = False
    then: str = "read"

    def send(self, target: "Target") -> Outcome:
        """Sends it and waits for the answer."""
        with socket.create_connection(target.rest, SECONDS) as connection:
            try:
                connection.sendall(self.payload)
                if self.then == "leave":
                    return Outcome("left")
                if self.then == "end":
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # It was refused before it was read: the answer may be there.
            method = self.payload.partition(b" ")[0].decode("latin-1")
            return _read(connection, method)

    def problem(self, outcome: Outcome) -> str | None:
        """Says what is wrong with the answer; None: nothing is."""
        status = outcome.status
        if status == "left" or (status == "closed" and self.closes):
            return None
        if status == "200" and self.harmless:
            return None
        if not (status.startswith("4") or status == "501"):
            return f"answered {status}: {outcome.body[:300]!r}"
        if self.json and self.payload[:4] != b"HEAD":
            return _wrong_error(outcome.body, self.payload)
        return None

    def shown(self) -> str:
        """Returns it as a person can send it again."""
        head, size = self.payload[:3000], len(self.payload)
        return f"{head!r}" + (f"... ({size} bytes)" if size > len(head) else "")


@dataclass(frozen=True)
class Grpc:
    """A message for the gRPC port.

    Attributes:
        kind: Of attack.
        method: Its full name.
        message: Serialized, or what is no message at all.
        harmless: It may be a valid request by chance.
        garbage: gRPC itself answers INTERNAL, for it cannot be parsed.
    """

    kind: str
    method: str
    message: bytes
    harmless: bool = False
    garbage: bool = False

    def send(self, target: "Target") -> Outcome:
        """Sends it and waits for the answer."""
        call = target.channel.unary_unary(self.method)
        try:
            return Outcome("OK", call(self.message, timeout=SECONDS))
        except grpc.RpcError as error:
            code = error.code()
            hung = code is grpc.StatusCode.DEADLINE_EXCEEDED
            return Outcome("hung" if hung else code.name, error.details().encode())

    def problem(self, outcome: Outcome) -> str | None:
        """Says what is wrong with the answer; None: nothing is."""
        if outcome.status in {code.name for code in REFUSALS}:
            return _too_long(outcome.body, self.message)
        if outcome.status == "OK" and self.harmless:
            return None
        unreadable = outcome.status == "INTERNAL" and b"deserializ" in outcome.body
        if self.garbage and unreadable:
            return None
        return f"answered {outcome.status}: {outcome.body[:300]!r}"

    def shown(self) -> str:
        """Returns it as a person can send it again."""
        head, size = self.message[:3000], len(self.message)
        text = f"{self.method} {head!r}"
        return text + (f"... ({size} bytes)" if size > len(head) else "")


class Target:
    """A served endpoint, seen from outside.

    Args:
        pid: Its process.
        rest: (host, port).
        grpc_address: "host:port".
    """

    def __init__(self, pid: int, rest: tuple[str, int], grpc_address: str) -> None:
        self.pid, self.rest = pid, rest
        unlimited = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self.channel = grpc.insecure_channel(grpc_address, unlimited)

    def resident(self) -> int:
        """Returns the process's memory in bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def open_files(self) -> int:
        """Returns how many files and sockets the process has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Returns how many threads the process has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))


class Fuzzer:
    """Sends attacks from several threads, good requests in between.

    Args:
        target: Whom.
        make: Number -> attack.
        good: Sends valid requests; says what is wrong with the answers, if anything.

    Attributes:
        problems: What should not have happened, each with the attack.
        memory: The endpoint's, in bytes: a sample every `SAMPLE_EVERY` attacks.
        refused: How often the endpoint said no, by kind of attack.
        sent: Attacks.
    """

    def __init__(
        self,
        target: Target,
        make: Callable[[int], Attack],
        good: Callable[[], str | None],
    ) -> None:
        self.target, self._make, self._good = target, make, good
        self.problems: list[str] = []
        self.memory: list[int] = []
        self.refused: Counter[str] = Counter()
        self.sent = 0
        self.slowest = (0.0, "")
        self._lock = threading.Lock()

    def run(self, indices: Sequence[int]) -> None:
        """Sends these attacks; gives up at the twentieth problem."""
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(indices), SAMPLE_EVERY):
                list(pool.map(self._attack, indices[start : start + SAMPLE_EVERY]))
                self.sample()
                if len(self.problems) >= 20:
                    return

    def sample(self) -> None:
        """Notes the memory in use."""
        try:
            self.memory.append(self.target.resident())
        except FileNotFoundError:
            self.problems += ["the endpoint's process is gone"] * 20

    def count(
        self, attack: Attack, outcome: Outcome, seconds: float, name: str
    ) -> None:
        """Judges an answer.

        Args:
            attack: What was sent.
            outcome: What came.
            seconds: That it took.
            name: What the attack is called in a report.
        """
        problem = attack.problem(outcome)
        if problem is None and seconds > SECONDS:
            problem = f"took {seconds:.1f} s"
        with self._lock:
            self.sent += 1
            self.refused[attack.kind] += outcome.refused
            self.slowest = max(self.slowest, (seconds, f"{name} {attack.kind}"))
            if problem is not None:
                self.problems.append(
                    f"{name} ({attack.kind}) {problem}\n    {attack.shown()}"
                )

    def check_good(self, when: str) -> None:
        """Sends valid requests, the answers to which are known."""
        try:
            wrong = self._good()
        except (OSError, httpx.HTTPError, grpc.RpcError) as error:
            wrong = repr(error)
        if wrong is not None:
            with self._lock:
                self.problems.append(f"good requests {when}: {wrong}")

    def growth(self, warm: float) -> float:
        """Returns the end's memory over that after warming up: medians of windows.

        Args:
            warm: The share of the samples that warm up; as many make each window.
        """
        window = max(1, int(len(self.memory) * warm))
        before = statistics.median(self.memory[window : 2 * window])
        return statistics.median(self.memory[-window:]) / before

    def _attack(self, index: int) -> None:
        attack = self._make(index)
        start = time.monotonic()
        try:
            outcome = attack.send(self.target)
        except OSError as error:
            outcome = Outcome(f"nothing ({error})")
        self.count(attack, outcome, time.monotonic() - start, f"attack {index}")
        if index % GOOD_EVERY == GOOD_EVERY - 1:
            self.check_good(f"during attack {index}")


def _read(connection: socket.socket, method: str) -> Outcome:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Outcome(str(response.status), response.read())
    except TimeoutError:
        return Outcome("hung")
    except (http.client.HTTPException, ConnectionError):
        return Outcome("closed")
    finally:
        response.close()


def _too_long(text: bytes, request: bytes) -> str | None:
    if len(text) <= MAX_ERROR_BYTES + len(request):
        return None
    return f"an error of {len(text)} bytes: {text[:300]!r}"


def _wrong_error(body: bytes, request: bytes) -> str | None:
    try:
        content = json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        return f"the error is no JSON: {body[:300]!r}"
    if not isinstance(content, dict) or not isinstance(content.get("error"), str):
        return f"no error text: {body[:300]!r}"
    return _too_long(body, request)
