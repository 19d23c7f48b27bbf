"""What the cluster is told of a document: the shapes of their statuses, for the CRDs.

`engine.statuses` writes them; a test holds what it writes against these.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Sentence = Annotated[str, Meta(max_length=32_768)]

_BY_TYPE: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
}


class Condition(Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that holds or does not."""

    # As metav1.Condition has it:
    # https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go

    type: Annotated[str, Meta(min_length=1, max_length=316)]
    """What it is about: Ready; Trusted is there only where it does not hold."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[
        str,
        Meta(min_length=1, max_length=1_024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why, in one word."""
    message: Sentence
    """Why, and what to do about it."""
    last_transition_time: datetime
    """Since when."""
    observed_generation: Count | None = None
    """Generation of the document that this was said of."""


Conditions = Annotated[tuple[Condition, ...], Meta(max_length=16, extra_json_schema=_BY_TYPE)]


class DocumentStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of the document."""

    observed_generation: Count | None = None
    """Generation of the document that this was said of."""
    conditions: Conditions = ()
    """What holds; a document at work is Ready."""


class ProviderStatus(DocumentStatus, frozen=True, kw_only=True, rename="camel"):
    """Whether it delivers, and how much."""

    delivered: Count | None = None
    """Effects that the place took since checkrail started."""
    waiting: Count | None = None
    """Effects that are owed to it now."""
    parked: Count | None = None
    """Effects that it refused for good: `checkrail dead list` shows them."""
    last_success: datetime | None = None
    """When it last took one."""
    last_failure: datetime | None = None
    """When it last did not."""
    last_failure_message: Sentence | None = None
    """Why it did not."""
