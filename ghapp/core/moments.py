"""Moments and spans of time as text."""

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime | None) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ``, as GitHub and Kubernetes write moments; empty: there is none.

    Later ones are greater, as texts too.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def duration(span: timedelta) -> str:
    """``2m 3s``: the two largest units, whole seconds; never negative."""
    seconds = max(int(span.total_seconds()), 0)
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        count, seconds = divmod(seconds, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
