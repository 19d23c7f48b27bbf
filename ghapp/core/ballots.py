"""What people said and what has to be remembered: votes, holds, that a commit may be tested.

A ballot is bound to exactly what was judged (a version and an environment, a commit), so that a
vote never counts for something else that comes later.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from ghapp.core.model import Value

VOTES_KEPT: Final = 100


class Vote(Value, frozen=True, kw_only=True):
    """Somebody said yes."""

    login: str
    at: datetime


class Ballot(Value, frozen=True, kw_only=True):
    """Who said yes to one thing; no votes: nobody, or not any more.

    ``version`` is the row's: it is committed only if the stored one is ``version - 1``.
    """

    key: str
    version: int = 0
    votes: tuple[Vote, ...] = ()
    lasting: bool = False
    """It is kept until it is taken back: a hold."""
    asked: bool = False
    """Somebody asked for it; where the person may not vote, nobody has said yes yet."""

    @property
    def voters(self) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(vote.login for vote in self.votes)


def given(ballot: Ballot, login: str, at: datetime) -> Ballot:
    """With this person's vote; nobody counts twice."""
    if any(vote.login.lower() == login.lower() for vote in ballot.votes):
        return ballot
    votes = (*ballot.votes, Vote(login=login, at=at))[-VOTES_KEPT:]
    return replace(ballot, votes=votes, version=ballot.version + 1)


def emptied(ballot: Ballot) -> Ballot:
    """Used up, or taken back."""
    if not (ballot.votes or ballot.asked):
        return ballot
    return replace(ballot, votes=(), lasting=False, asked=False, version=ballot.version + 1)


def asked(ballot: Ballot) -> Ballot:
    """Somebody asked for it who has no vote."""
    return ballot if ballot.asked else replace(ballot, asked=True, version=ballot.version + 1)


def hold_key(marker: str) -> str:
    """Whether anything may be promoted there."""
    return f"hold/{marker}"


def vote_key(verb: str, subject: str) -> str:
    """Who wants this done to that."""
    return f"vote/{verb}/{subject}"


def ok_to_test_key(slug: str, commit: str) -> str:
    """Whether a stranger's commit in this repository may be run."""
    return f"ok-to-test/{slug}@{commit}".lower()
