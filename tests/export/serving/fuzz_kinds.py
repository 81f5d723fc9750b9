"""Every kind of attack, and how often each is chosen."""

import random
from collections.abc import Callable

from tests.export.serving import fuzz_grpc, fuzz_http, fuzz_images, fuzz_json
from tests.export.serving.fuzz import Attack

OFTEN = 4
"""The weight of what costs milliseconds; 1 is that of the others."""
KINDS: dict[Callable[[random.Random], Attack], int] = {
    fuzz_json.bytes_changed: 6 * OFTEN,
    fuzz_json.truncated: 3 * OFTEN,
    fuzz_json.document: 3 * OFTEN,
    fuzz_json.value_changed: 6 * OFTEN,
    fuzz_json.deep: 1,
    fuzz_json.numbers: 2 * OFTEN,
    fuzz_json.wrong_rank: 4 * OFTEN,
    fuzz_json.ragged: 3 * OFTEN,
    fuzz_images.damaged: 4 * OFTEN,
    fuzz_images.no_image: 3 * OFTEN,
    fuzz_images.claims_to_be_huge: 4 * OFTEN,
    fuzz_images.many: 2 * OFTEN,
    fuzz_images.bomb: 1,
    fuzz_http.wrong_path: 5 * OFTEN,
    fuzz_http.wrong_request_line: 3 * OFTEN,
    fuzz_http.wrong_header: 3 * OFTEN,
    fuzz_http.half_request: 2 * OFTEN,
    fuzz_http.wrong_length: 2 * OFTEN,
    fuzz_http.too_large: 1,
    fuzz_http.wrong_gzip: 1,
    fuzz_grpc.claims: 3 * OFTEN,
    fuzz_grpc.wrong_tensor: 3 * OFTEN,
    fuzz_grpc.wrong_inputs: 2 * OFTEN,
    fuzz_grpc.wrong_spec: 2 * OFTEN,
    fuzz_grpc.garbage: 3 * OFTEN,
}


def make(seed: int, index: int) -> Attack:
    """Returns attack number `index` of a seed: always the same one."""
    rng = random.Random(f"{seed}:{index}")
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    return kind(rng)
