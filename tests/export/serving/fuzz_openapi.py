"""What schemathesis makes of the endpoint's own OpenAPI page."""

import time
from dataclasses import dataclass
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis.strategies import SearchStrategy

from tests.export.serving.fuzz import SECONDS, Fuzzer, Outcome, Target


@dataclass(frozen=True)
class Generated:
    """A request that schemathesis made."""

    case: schemathesis.Case
    kind: str = "openapi"

    def send(self, target: Target) -> Outcome:
        """Sends it and waits for the answer."""
        host, port = target.rest
        try:
            answer = self.case.call(f"http://{host}:{port}", timeout=SECONDS)
        except requests.Timeout:
            return Outcome("hung")
        except requests.RequestException as error:
            return Outcome(f"nothing ({error})")
        return Outcome(str(answer.status_code), answer.content)

    def problem(self, outcome: Outcome) -> str | None:
        """Says what is wrong with the answer; None: nothing is."""
        status = outcome.status
        if status.startswith("4") or status in ("200", "501"):
            return None
        return f"answered {status}: {outcome.body[:300]!r}"

    def shown(self) -> str:
        """Returns it as a person can send it again."""
        return self.case.as_curl_command()[:5000]


def strategies(page: dict[str, Any]) -> list[SearchStrategy[schemathesis.Case]]:
    """Returns what makes requests against the page's rules, for each kind of body.

    Args:
        page: An OpenAPI document.
    """
    schema = schemathesis.openapi.from_dict(page)
    operations = [result.ok() for result in schema.get_all_operations()]
    mode = schemathesis.GenerationMode.NEGATIVE
    return [o.as_strategy(generation_mode=mode) for o in operations if o.body]


def run(fuzzer: Fuzzer, page: dict[str, Any], seed: int, count: int) -> None:
    """Sends requests that break the page's rules.

    Args:
        fuzzer: Judges the answers.
        page: The endpoint's OpenAPI document.
        seed: The same requests for the same number.
        count: How many, of all operations together.
    """
    found = strategies(page)
    each = -(-count // len(found))
    settings = hypothesis.settings(
        max_examples=each,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    for strategy in found:

        @hypothesis.seed(seed)
        @settings
        @hypothesis.given(strategy)
        def attack(case: schemathesis.Case) -> None:
            generated = Generated(case)
            start = time.monotonic()
            outcome = generated.send(fuzzer.target)
            name = f"schemathesis, seed {seed}"
            fuzzer.count(generated, outcome, time.monotonic() - start, name)

        attack()
        fuzzer.sample()
