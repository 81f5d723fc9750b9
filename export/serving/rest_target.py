"""The paths of TensorFlow Serving's REST API."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from export.serving.status import invalid

_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"(?i)/v1/models/(?P<name>[^/:]+){_VERSION}"
    r":(?P<action>classify|regress|predict)"
)
_GET = re.compile(
    rf"(?i)/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<action>metadata))?"
)
_LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True)
class Target:
    """What a request's path specifies.

    Args:
        action: "predict", "classify", "regress", "status" or "metadata".
        name: Of the model.
        version: None: the newest.
        label: Version label, or None.
    """

    action: str
    name: str
    version: int | None
    label: str | None


def parse_target(method: str, path: str) -> Target:
    """Reads method and path of a request.

    Args:
        method: "GET", "POST", ...
        path: Still percent-encoded; with the query, which no path of the API has.

    Raises:
        ServingError: The API has no such path and method.
    """
    pattern = {"GET": _GET, "POST": _POST}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    version, label = match["version"], match["label"]
    # A number with thousands of digits is refused before Python converts it.
    if version and (len(version.lstrip("0")) > 19 or int(version) > _LARGEST_VERSION):
        raise invalid(f"Failed to convert version: {version} to numeric.")
    if match["name"] is None:
        raise invalid("Missing model name in request.")
    return Target(
        action=(match["action"] or "status").lower(),
        name=unquote(match["name"]),
        version=None if version is None else int(version),
        label=None if label is None else unquote(label),
    )
