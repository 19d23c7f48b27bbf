"""What becomes of the commands of a comment: effects, and the lines of the comment that answers.

A command may mean several runs: each run is a line of the answer, which says what was done, or why
not, and goes on to say what came of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from typing import Final

from msgspec.structs import replace

from ghapp.core import access, ballots, comments, markdown
from ghapp.core.access import Action, Place
from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.comments import Said, Word
from ghapp.core.decide import NOTHING, Decision, Rules
from ghapp.core.effects import Answer, React, Reply
from ghapp.core.judgement import judged
from ghapp.core.model import Repository, Verb
from ghapp.core.moments import stamp
from ghapp.core.pipeline import next_environment, own_environment
from ghapp.core.seen import Seen
from ghapp.core.webhook import Comment
from ghapp.core.wishes import Facts, Pull, Target, Wish, cannot, place_of
from ghapp.errors import Refused

LINES_LIMIT: Final = 30
"""Of one answer; a commit with more checks is not run again by one word."""

VERBS: Final[Mapping[Word, tuple[Verb, tuple[Action, ...]]]] = {
    Word.TEST: (Verb.RERUN, access.TEST),
    Word.RETEST: (Verb.RERUN, access.TEST),
    Word.CANCEL: (Verb.CANCEL, access.ACTIONS[Verb.CANCEL]),
    Word.PROMOTE: (Verb.PROMOTE, access.ACTIONS[Verb.PROMOTE]),
    Word.APPROVE: (Verb.APPROVE, access.ACTIONS[Verb.APPROVE]),
    Word.HOLD: (Verb.HOLD, access.ACTIONS[Verb.HOLD]),
    Word.UNHOLD: (Verb.UNHOLD, access.ACTIONS[Verb.UNHOLD]),
    Word.ROLLBACK: (Verb.ROLLBACK, access.ACTIONS[Verb.ROLLBACK]),
    Word.OK_TO_TEST: (Verb.OK_TO_TEST, access.ACTIONS[Verb.OK_TO_TEST]),
}


def for_us(said: Iterable[Said], rows: Sequence[Seen], rules: Rules) -> tuple[Said, ...]:
    """The commands that are meant for us: other tools have some of the same names.

    What is not addressed to us has to be about something that there is: without runs on the commit
    a ``/test`` is somebody else's, and without promotions an ``/approve``.
    """
    return tuple(
        one
        for one in said
        if one.explicit
        or (rows and one.about not in _PLACED)
        or (one.about in _PLACED and any(_is_about(one, row, rules) for row in rows))
    )


def acknowledge(command: Comment) -> Decision:
    """That it was read, before anything is looked into."""
    return Decision(effects=(React(reply=reply_of(command)),))


def excuse(command: Comment, said: tuple[Said, ...], reason: str) -> Decision:
    """The answer where the facts cannot be had: nothing is done and nothing is refused."""
    text = f"{markdown.who(command.login)}: this cannot be judged: {markdown.text(reason)}."
    lines = tuple((number, f"{one.text}: {text}") for number, one in enumerate(said))
    return Decision(effects=(Answer(reply=reply_of(command), lines=lines),)) if lines else NOTHING


def reply_of(command: Comment, line: int = 0, words: str = "") -> Reply:
    """Where it is answered. A webhook does not say which host it comes from."""
    owner, _, name = command.repository.rpartition("/")
    return Reply(
        repository=Repository(host="", owner=owner, name=name),
        number=command.number,
        comment=command.id,
        since=command.created,
        line=line,
        words=words,
        source=command.source,
    )


def plan(
    command: Comment, said: tuple[Said, ...], pull: Pull, facts: Facts, *, rules: Rules
) -> Decision:
    """Everything that follows from a comment on a pull request, its answer included."""
    talk = _Talk(command=command, pull=pull, facts=facts, rules=rules)
    for one in said:
        talk.hear(one)
    answer = Answer(reply=reply_of(command), lines=tuple(enumerate(talk.lines)))
    return talk.decision + Decision(effects=(answer,))


def verbs(said: Iterable[Said]) -> tuple[Verb, ...]:
    """What is asked for, each once."""
    words = (one.word for one in said if one.word)
    return tuple(dict.fromkeys(VERBS[word][0] for word in words if word in VERBS))


def verbs_about(said: Iterable[Said], seen: Seen, rules: Rules) -> tuple[Verb, ...]:
    """What is asked of a run's object; there is one of these at most that it allows."""
    return tuple(
        VERBS[one.word][0]
        for one in said
        if one.word and one.word in _CHANGING and _is_about(one, seen, rules)
    )


def asked_about(
    command: Comment, said: Iterable[Said], rows: Iterable[Seen], rules: Rules
) -> list[tuple[tuple[Action, ...], Place]]:
    """What policies may have to be asked about."""
    known = list(rows)
    found: list[tuple[tuple[Action, ...], Place]] = []
    for one in said:
        if one.word is Word.OK_TO_TEST:
            places = _places(command, known)
            found += [(access.ACTIONS[Verb.OK_TO_TEST], place) for place in places]
        elif one.word and one.word in VERBS:
            verb, actions = VERBS[one.word]
            places = [place for row in known if (place := place_of(verb, row.look, rules))]
            found += [((*actions, *access.ASKED_ABOUT[verb]), place) for place in places]
    return found


def _places(command: Comment, rows: Iterable[Seen]) -> list[Place]:
    """Where a permission to test takes effect: wherever the commit is run."""
    found = [
        Place(
            cluster=look.subject.cluster,
            namespace=look.subject.namespace,
            repository=look.revision.repository,
        )
        for look in (row.look for row in rows)
        if look.revision is not None
    ]
    return found or [Place(cluster="", namespace="", repository=reply_of(command).repository)]


def _is_about(said: Said, seen: Seen, rules: Rules) -> bool:
    assert said.about is not None
    about, _ = _ABOUT[said.about]
    return about(seen, said.argument, rules)


_CHANGING: Final = frozenset({Word.TEST, Word.RETEST, Word.CANCEL})
_PLACED: Final = frozenset({Word.PROMOTE, Word.APPROVE, Word.HOLD, Word.UNHOLD, Word.ROLLBACK})
"""What is about an environment."""


# --- which runs -----------------------------------------------------------------------------------

_About = Callable[[Seen, str, Rules], bool]
"""(row, argument, rules) -> whether a command is about it."""


def _named(seen: Seen, name: str) -> bool:
    return not name or name in (seen.check_name, seen.look.check_name, seen.look.name)


def _finished(seen: Seen, name: str, rules: Rules) -> bool:
    """What is named and still runs is answered: it has to be cancelled first."""
    del rules
    return _named(seen, name) and (bool(name) or seen.look.phase.finished)


def _failed(seen: Seen, name: str, rules: Rules) -> bool:
    look = seen.look
    return _finished(seen, name, rules) and look.phase.finished and not look.fine


def _going(seen: Seen, name: str, rules: Rules) -> bool:
    del rules
    return _named(seen, name) and not seen.look.phase.finished


def _leads_to(seen: Seen, place: str, rules: Rules) -> bool:
    following = next_environment(seen.look, rules.pipelines)
    return following is not None and place in ("", following.environment.name)


def _came_to(seen: Seen, place: str, rules: Rules) -> bool:
    home = own_environment(seen.look, rules.pipelines)
    return home is not None and place in ("", home.environment.name)


_ABOUT: Final[Mapping[Word, tuple[_About, str]]] = {
    Word.TEST: (_finished, "no check of ours on this commit has that name, or has finished"),
    Word.RETEST: (_failed, "nothing on this commit has failed"),
    Word.CANCEL: (_going, "nothing on this commit is running"),
    Word.PROMOTE: (_leads_to, "nothing on this commit can be promoted there"),
    Word.APPROVE: (_leads_to, "nothing on this commit can be promoted there"),
    Word.HOLD: (_leads_to, "nothing on this commit leads there"),
    Word.UNHOLD: (_leads_to, "nothing on this commit leads there"),
    Word.ROLLBACK: (_came_to, "nothing on this commit was promoted there"),
}
"""Which runs a word means, and what is said when there are none."""


@dataclass(slots=True, kw_only=True)
class _Talk:
    """A comment that is worked through; what one command changes, the next one sees."""

    command: Comment
    pull: Pull
    facts: Facts
    rules: Rules
    decision: Decision = NOTHING
    lines: list[str] = field(default_factory=list)

    def hear(self, said: Said) -> None:
        """One command."""
        if said.word is None:
            self._say(said, said.problem)
        elif said.word is Word.HELP:
            self._say(said, f"\n\n{comments.help_text()}\n")
        elif said.word is Word.OK_TO_TEST:
            self._allow(said)
        else:
            self._wish(said, said.word)

    def _say(self, said: Said, text: str) -> None:
        self.lines.append(f"{said.text}: {text}")

    def _wish(self, said: Said, word: Word) -> None:
        targets = [target for target in self._newest() if _is_about(said, target.seen, self.rules)]
        if not targets:
            self._say(said, f"{_ABOUT[word][1]}.")
        elif len(self.lines) + len(targets) > LINES_LIMIT:
            self._say(said, f"it is about {len(targets)} runs; name one of them.")
        else:
            for target in targets:
                self._one(said, word, target)

    def _newest(self) -> Iterator[Target]:
        """Of each check the newest run, and whatever still runs."""
        newest = {target.seen.series: target for target in self.facts.targets}
        for target in self.facts.targets:
            if target is newest[target.seen.series] or not target.seen.look.phase.finished:
                yield target

    def _one(self, said: Said, word: Word, target: Target) -> None:
        verb, actions = VERBS[word]
        line = len(self.lines)
        name = markdown.code(target.seen.check_name, 100)
        words = f"{said.text}: {name}"
        wish = Wish(
            verb=verb,
            request=f"{self.facts.guid}/{line}",
            actions=actions,
            pull=self.pull,
            reply=reply_of(self.command, line, words),
        )
        outcome = judged(wish, self._now(target), self.facts, self.rules)
        self.lines.append(f"{words}: {outcome.said}")
        self._take(outcome.decision)

    def _now(self, target: Target) -> Target:
        """As an earlier command of this comment left it."""
        key = target.seen.look.subject.key
        changed = [seen for seen in self.decision.seen if seen.look.subject.key == key]
        return with_fields(target, seen=changed[-1]) if changed else target

    def _take(self, decision: Decision) -> None:
        changed = {ballot.key: ballot for ballot in decision.ballots}
        self.facts = with_fields(self.facts, ballots={**self.facts.ballots, **changed})
        self.decision += decision

    # -- strangers -----------------------------------------------------------------------------

    def _allow(self, said: Said) -> None:
        """The newest commit of a stranger's pull request may be run."""
        login = self.command.login
        places = _places(self.command, [target.seen for target in self.facts.targets])
        place = places[0]
        try:
            why = self._may_allow(places)
            self._check_commit(said.argument.lower())
        except Refused as refusal:
            self._say(said, cannot(Verb.OK_TO_TEST, login, refusal.reason))
            self._take(Decision(audit=(self._audited(place, refusal.reason, allowed=False),)))
            return
        key = ballots.ok_to_test_key(self.command.repository, self.pull.head)
        before = self.facts.ballots.get(key) or Ballot(key=key)
        after = ballots.given(before, login, self.facts.at)
        commit = markdown.code(self.pull.head[:7])
        self._say(said, f"{markdown.who(login)} lets commit {commit} be tested.")
        kept = (after,) if after is not before else ()
        self._take(Decision(ballots=kept, audit=(self._audited(place, why, allowed=True),)))

    def _may_allow(self, places: Sequence[Place]) -> str:
        actions = access.ACTIONS[Verb.OK_TO_TEST]
        if not self.pull.open:
            raise Refused(f"pull request {self.pull.number} is closed")
        if self.command.login.lower() == self.pull.author.lower():
            raise Refused("nobody does that for a pull request of one's own")
        reasons = [
            access.judge(
                access.needs(self.rules.access, actions, place), self.facts.person, place=place
            )
            for place in places
        ]
        return reasons[0]

    def _check_commit(self, wanted: str) -> None:
        """That it is the commit that was looked at, although a push may have come in between."""
        head = self.pull.head
        if wanted and not head.startswith(wanted):
            raise Refused(f"the newest commit is {head[:7]}, not {wanted[:40]}")
        if wanted and head != wanted:  # a few digits are soon forged
            raise Refused(f"write the whole commit, if it is this one: /ok-to-test {head}")
        if not wanted and not any(self._was_there(target.seen) for target in self.facts.targets):
            raise Refused(f"say which commit you have looked at: /ok-to-test {head}")

    def _was_there(self, seen: Seen) -> bool:
        """A run of the newest commit that is older than the comment: so is the commit."""
        revision = seen.look.revision
        on_head = revision is not None and revision.commit == self.pull.head
        return on_head and stamp(seen.look.created) < self.command.created

    def _audited(self, place: Place, why: str, *, allowed: bool) -> Audited:
        return Audited(
            at=self.facts.at,
            login=self.command.login,
            verb=Verb.OK_TO_TEST,
            subject=f"{self.command.repository}@{self.pull.head}",
            repository=self.command.repository,
            commit=self.pull.head,
            environment=place.environment,
            allowed=allowed,
            why=why,
            request=self.facts.guid,
        )


def amended(reply: Reply, text: str, *, turn: str) -> Answer:
    """What came of it: the line says so from now on."""
    return Answer(
        reply=replace(reply, words=""), lines=((reply.line, f"{reply.words}: {text}"),), turn=turn
    )
