"""Asking Flux' controllers to look again, install again, count anew: by annotations.

forceAt and resetAt only count if they equal requestedAt, so one token marks all that is asked for.
Source: fluxcd/pkg apis/meta, fluxcd/helm-controller api/v2.
"""

from typing import Final

from adapters._read import copies
from ghapp.core.model import Subject
from ghapp.core.source import Asked, Patch, Resource

REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"
FORCED: Final = "reconcile.fluxcd.io/forceAt"
RESET: Final = "reconcile.fluxcd.io/resetAt"


def request(resource: Resource, subject: Subject, asked: Asked, marks: tuple[str, ...]) -> Patch:
    """The patch that asks; the same request twice changes nothing."""
    token = f"{asked.at}-{copies.short_hash(asked.token)}"
    return copies.patch(
        resource, subject, {"metadata": {"annotations": dict.fromkeys(marks, token)}}
    )
