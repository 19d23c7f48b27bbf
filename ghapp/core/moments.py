"""Moments as text."""

from datetime import UTC, datetime


def stamp(moment: datetime | None) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ``, as GitHub and Kubernetes write moments; empty: there is none.

    Later ones are greater, as texts too.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
