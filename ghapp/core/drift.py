"""Drift of a release: somebody changed in the cluster what Helm had deployed, and it was put right.

Told only where a Notification asks for it (`drift: true`), each turn of it once, and its end only
if its beginning was told. What happened while nobody asked is remembered as such, so that it is not
told later. Of each type the newest is remembered and no other: a condition that is set and unset
all day must not crowd out what was deployed.

CDEvents has no word for it; these are custom events, https://github.com/cdevents/spec/tree/main/custom
"""

from typing import Final

from ghapp.core.model import Occurrence

DRIFTED: Final = "flux-helmrelease.drifted"
CORRECTED: Final = "flux-helmrelease.corrected"
TYPES: Final = frozenset({DRIFTED, CORRECTED})

_DRIFTED_KEY: Final = "drifted/"
_CORRECTED_KEY: Final = "corrected/"
_UNTOLD: Final = "untold/"
_KEYS: Final = (_DRIFTED_KEY, _CORRECTED_KEY)


def key(type_: str, turn: str) -> str:
    """The key of an occurrence; `turn` tells one drift from the next."""
    return f"{_DRIFTED_KEY if type_ == DRIFTED else _CORRECTED_KEY}{turn}"


def is_drift(occurrence: Occurrence) -> bool:
    """Whether it is about drift."""
    return occurrence.type in TYPES


def owed(occurrence: Occurrence, known: tuple[str, ...]) -> bool:
    """Whether it is news; the end of what did not begin is none."""
    seen = occurrence.key in known or f"{_UNTOLD}{occurrence.key}" in known
    return not seen and (occurrence.type == DRIFTED or _lasts(known))


def _lasts(known: tuple[str, ...]) -> bool:
    """Whether a drift was told, and its end was not."""
    ours = [one for one in known if one.removeprefix(_UNTOLD).startswith(_KEYS)]
    return bool(ours) and ours[-1].startswith(_DRIFTED_KEY)


def remembered(known: tuple[str, ...], occurrence: Occurrence, *, told: bool) -> tuple[str, ...]:
    """The keys, with this one in place of the one before of its type."""
    family = key(occurrence.type, "")
    others = (one for one in known if not one.removeprefix(_UNTOLD).startswith(family))
    return (*others, occurrence.key if told else f"{_UNTOLD}{occurrence.key}")


def kept(known: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The newest keys, and those of drift however old: a drift may last for many upgrades."""
    return carried(known[-limit:], known)


def carried(known: tuple[str, ...], newer: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of a run, with what another run of the object knows of drift meanwhile."""
    own = (one for one in known if not one.removeprefix(_UNTOLD).startswith(_KEYS))
    return (*own, *(one for one in newer if one.removeprefix(_UNTOLD).startswith(_KEYS)))
