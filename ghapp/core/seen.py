"""What was told so far about a subject: the row that `decide` reads and replaces."""

from datetime import datetime

from ghapp.core.annotations import Annotation
from ghapp.core.audience import Audience
from ghapp.core.effects import Check
from ghapp.core.model import Milestone, Observation, Value


class Notice(Value, frozen=True, kw_only=True):
    """An answer to somebody's click, shown on the check: what was done, or why not."""

    at: datetime
    text: str


class Excerpt(Value, frozen=True, kw_only=True):
    """What the logs of a run say: Markdown for the check's text, and findings on files."""

    text: str = ""
    annotations: tuple[Annotation, ...] = ()


class Gate(Value, frozen=True, kw_only=True):
    """What stands between a version that runs well and its next environment."""

    environment: str
    held: str = ""
    """Who holds it; empty: nobody."""
    votes: int = 0
    needed: int = 0
    """Approvals; 0: nobody has asked yet."""

    @property
    def waiting(self) -> bool:
        """Whether a promotion was asked for and waits for more approvals."""
        return self.votes < self.needed


class Seen(Value, frozen=True, kw_only=True):
    """The last look at a subject and what the world was told of it.

    ``version`` is the row's: it is committed only if the stored one is ``version - 1``.
    """

    look: Observation
    version: int
    told: tuple[Milestone, ...] = ()
    occurrences: tuple[str, ...] = ()
    """Keys of the occurrences that were told."""
    incident: str = ""
    """The open incident, by the key of the occurrence that opened it; empty: none."""
    check: Check | None = None
    """The last state told; None: no commit, so no check."""
    serial: int = 0
    attempt: int = 0
    notices: tuple[Notice, ...] = ()
    excerpt: Excerpt | None = None
    """Of the present attempt's logs; None: not read."""
    chain: str = ""
    """Pinned at the first look, so that all events of a run carry the same one."""
    audience: Audience = Audience()
    """As of the last look."""
    shown: tuple[str, ...] = ()
    """The providers that have the present attempt's check: who was shown its begin sees its end."""
    gate: Gate | None = None
    """None: the way to the next environment is open, if there is one."""
    earlier: str = ""
    """The version that ran well here before this one; empty: not known."""
    old_phase: str = ""
    """That the run was in before its present one."""
    spoiled: tuple[int, ...] = ()
    """GitHub's check runs of the present attempt that somebody else completed."""
    healed: int = 0
    """How often the present attempt's check was told anew because somebody else changed it."""
    overdue: bool = False
    """Its check was closed although it has not ended: see `core.overdue`."""
    closed: bool = False
    """A long-lived object went on to another revision, or is gone: nothing more will come."""

    @property
    def check_name(self) -> str:
        """As GitHub shows it: documents may have given it another one than the adapter did."""
        return self.check.name if self.check else self.look.check_name

    @property
    def series(self) -> tuple[str, str, str, str]:
        """What later runs of the same thing have in common: checks of one name may be those of two
        namespaces."""
        subject = self.look.subject
        return subject.cluster, subject.namespace, subject.kind, self.check_name

    @property
    def open(self) -> bool:
        """Whether more may come: an end that is due, or the next turn of a long-lived object."""
        return not self.closed and (self.look.living or not self.look.phase.finished)
