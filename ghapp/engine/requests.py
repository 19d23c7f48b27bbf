"""What people ask for on GitHub, with a click or in a comment: gather, judge, commit.

A repository that was renamed or moved keeps its runs, and they know it by the name that it had.
Where that name leads by now only GitHub knows (to this repository, to nothing, to somebody else's),
so GitHub is asked: nothing has to be kept, and no webhook can be missed.

Gathering facts is the only IO (`gather`); what follows, `core.commands` and `core.discussion` say.
People are asked about once, before; the runs are read anew each time that it is decided.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from msgspec import to_builtins
from msgspec.structs import replace as with_fields

from ghapp import log as logs
from ghapp.core import access, commands, comments, discussion
from ghapp.core.comments import Said
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.model import Repository, Verb
from ghapp.core.seen import Seen
from ghapp.core.webhook import Command, Comment, GroupEnded, Press, RerunAll
from ghapp.core.wishes import AGAIN, Facts, Pull, Target, inquiry, place_of
from ghapp.engine import gather
from ghapp.engine.desk import Desk
from ghapp.engine.gather import People, Runs
from ghapp.errors import DeliveryError
from ghapp.metrics import CommandResult, Metrics
from ghapp.ports import Delivery, GitHub

log = logs.get(__name__)

GATHER_LIMIT: Final = 30.0
"""Seconds to gather the facts of one request, and again to decide on it."""


CLICK: Final = "a click"
COMMENT: Final = "a command in a comment"
QUEUE: Final = "the merge queue gave up a commit"
NAMES_LIMIT: Final = 10
"""Other names that runs of one commit may have for its repository: forks have the same commits."""

Asked = TypeVar("Asked", bound=Press | RerunAll | Comment | GroupEnded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What a comment says to us."""

    command: Comment
    said: tuple[Said, ...]
    pull: Pull | None
    rows: Sequence[Seen]
    """The runs that the pull request has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Turns what people ask for into effects or answers."""

    desk: Desk
    github: GitHub
    runs: Runs
    metrics: Metrics

    # -- clicks --------------------------------------------------------------------------------

    async def click(self, command: Press | RerunAll, delivery: Delivery) -> None:
        """Judges a click, once."""
        verb = commands.verb_of(command)
        if verb is None:
            log.info("a button that is not ours", login=command.login)
            await self.desk.commit(_nothing, delivery=delivery.guid)
            return
        async with asyncio.timeout(GATHER_LIMIT):
            command = await self._called(command, await self._on_it(command))
            facts = await self._facts_of_click(command, verb, delivery)
        if facts is None:
            await self.desk.commit(_nothing, delivery=delivery.guid)
            self._count(verb, command.login, NOTHING, how=CLICK)
            return

        async def decide() -> Decision:
            rows = await self._clicked(command)
            targets = [await self.runs.whole(verb, row, tries=delivery.tries) for row in rows]
            wishes = [(verb, row) for row in rows]
            now = await self._now(facts, targets, wishes, command.repository)
            return commands.plan(command, now, rules=self.desk.rules)

        async with asyncio.timeout(GATHER_LIMIT):
            decision = await self.desk.commit(decide, delivery=delivery.guid)
        self._count(verb, command.login, decision, how=CLICK)

    async def _clicked(self, command: Press | RerunAll | GroupEnded) -> Sequence[Seen]:
        """What it is about."""
        return [seen for seen in await self._on_it(command) if commands.is_on(seen.look, command)]

    async def _on_it(self, command: Press | RerunAll | GroupEnded) -> Sequence[Seen]:
        """What it may be about: the check's run, or all on the commit, whatever they call the
        repository; of another host's repositories GitHub knows nothing."""
        if not isinstance(command, Press):
            return await self._on_commit(command.commit)
        seen = await self.desk.store.by_external_id(command.external_id)
        known = seen is not None and commands.is_on_commit(seen.look, command.commit)
        return [seen] if seen and known and gather.is_on(self.github, seen) else []

    async def _on_commit(self, commit: str) -> list[Seen]:
        return await gather.on_commit(self.desk.store, self.github, commit)

    async def _called(self, command: Asked, rows: Sequence[Seen]) -> Asked:
        """With the other names of its repository that these runs know it by."""
        others = {
            row.look.revision.repository.slug.lower(): row.look.revision.repository
            for row in rows
            if row.look.revision and not commands.is_of(row.look, command)
        }
        people = People(github=self.github, repository=_repository(command.repository))
        asked = list(others.items())[:NAMES_LIMIT]
        former = {slug for slug, repository in asked if await people.leads_here(repository)}
        return with_fields(command, formerly=frozenset(former)) if former else command

    async def _facts_of_click(
        self, command: Press | RerunAll, verb: Verb, delivery: Delivery
    ) -> Facts | None:
        """All that does not change while it is decided; None: it is about nothing of ours."""
        if command.app != await self.github.identify():
            return None
        clicked = tuple(Target(seen=row) for row in await self._clicked(command))
        rows = [target.seen for target in commands.concerned(command, clicked)]
        if not rows:
            return None
        people = People(github=self.github, repository=_repository(command.repository))
        rules = self.desk.rules
        places = [place_of(verb, row.look, rules) for row in rows]
        asked = inquiry(((access.ASKED_ABOUT[verb], place) for place in places if place), rules)
        pulls = await _pulls(people, rows) if verb in AGAIN or asked.authors else {}
        return Facts(
            app=command.app,
            person=await people.person(
                command.login, asked, commit=command.commit, pulls=pulls.values()
            ),
            targets=(),
            guid=delivery.guid,
            at=delivery.received,
            pulls=pulls,
            repository=command.repository,
        )

    # -- the merge queue -----------------------------------------------------------------------

    async def group_ended(self, command: GroupEnded, delivery: Delivery, *, last: bool) -> None:
        """Cancels what still runs on a commit that the merge queue gave up.

        `last`: it is the last look at the commit, after which the delivery is done. Nobody is asked
        whether that is allowed: GitHub's signature says that its queue did it.
        """
        async with asyncio.timeout(GATHER_LIMIT):
            command = await self._called(command, await self._on_it(command))

        async def decide() -> Decision:
            rows = [row for row in await self._clicked(command) if not row.look.phase.finished]
            targets = [
                await self.runs.whole(Verb.CANCEL, row, tries=delivery.tries) for row in rows
            ]
            facts = commands.facts_of_queue(command, targets, delivery.guid, delivery.received)
            return commands.give_up(command, facts, rules=self.desk.rules)

        async with asyncio.timeout(GATHER_LIMIT):
            done = delivery.guid if last else None
            decision = await self.desk.commit(decide, delivery=done)
        if decision.audit:
            self._count(Verb.CANCEL, commands.MERGE_QUEUE, decision, how=QUEUE)

    # -- comments ------------------------------------------------------------------------------

    async def comment(self, command: Comment, delivery: Delivery) -> None:
        """Judges the commands of a comment, once; shows at once that they were read."""
        command = with_fields(command, source=delivery.source)
        people = People(github=self.github, repository=_repository(command.repository))
        async with asyncio.timeout(GATHER_LIMIT):
            heard = await self._heard(command, people)
        command, said, pull = heard.command, heard.said, heard.pull
        if pull is None or not said:
            await self.desk.commit(_nothing, delivery=delivery.guid)
            return
        await self.desk.commit(partial(_this, discussion.acknowledge(command)))
        async with asyncio.timeout(GATHER_LIMIT):
            pull = await people.with_author(pull)
            facts = await self._facts_of_comment(heard, people, pull, delivery)

        async def decide() -> Decision:
            rows = await self._discussed(command, pull)
            targets = [await self._talked_of(said, row, delivery.tries) for row in rows]
            wishes = [(verb, row) for verb in discussion.verbs(said) for row in rows]
            now = await self._now(facts, targets, wishes, command.repository)
            return discussion.plan(command, said, pull, now, rules=self.desk.rules)

        async with asyncio.timeout(GATHER_LIMIT):
            decision = await self.desk.commit(decide, delivery=delivery.guid)
        for verb in discussion.verbs(said):
            self._count(verb, command.login, _only(decision, verb), how=COMMENT)

    async def _heard(self, command: Comment, people: People) -> _Heard:
        """The commands that are meant for us, the pull request, and the runs that it has."""
        said = comments.commands(command.text)
        pull = await people.pull(command.number) if said else None
        rows: Sequence[Seen] = ()
        if pull:
            command = await self._called(command, await self._on_pull(pull))
            rows = await self._discussed(command, pull)
        said = discussion.for_us(said, rows, self.desk.rules)
        return _Heard(command=command, said=said, pull=pull, rows=rows)

    async def _discussed(self, command: Comment, pull: Pull) -> Sequence[Seen]:
        return [row for row in await self._on_pull(pull) if commands.is_of(row.look, command)]

    async def _on_pull(self, pull: Pull) -> Sequence[Seen]:
        """The runs on the newest commit of a pull request, and on the one that it became."""
        commits = [pull.head, *([pull.trial] if pull.merged and pull.trial else [])]
        return [seen for commit in commits for seen in await self._on_commit(commit)]

    async def _talked_of(self, said: Sequence[Said], row: Seen, tries: int) -> Target:
        """With its object, if a command is about it that changes it."""
        verbs = discussion.verbs_about(said, row, self.desk.rules)
        return await self.runs.whole(next(iter(verbs), Verb.PROMOTE), row, tries=tries)

    async def _facts_of_comment(
        self, heard: _Heard, people: People, pull: Pull, delivery: Delivery
    ) -> Facts:
        rules, command = self.desk.rules, heard.command
        asked = inquiry(discussion.asked_about(command, heard.said, heard.rows, rules), rules)
        return Facts(
            app=await self.github.identify(),
            person=await people.person(command.login, asked, commit=pull.head, pulls=[pull]),
            targets=(),
            guid=delivery.guid,
            at=delivery.received,
            pulls={pull.number: pull},
            repository=command.repository,
        )

    # -- both ----------------------------------------------------------------------------------

    async def excuse(self, command: Command | None, reason: str, delivery: Delivery) -> None:
        """What cannot be judged is not done, and whoever asked is told so."""

        meant = await self._meant(command) if isinstance(command, Comment) else ()
        if isinstance(command, Comment):
            command = with_fields(command, source=delivery.source)

        async def decide() -> Decision:
            if isinstance(command, Comment):
                return discussion.excuse(command, meant, reason)
            if not isinstance(command, Press | RerunAll):
                return NOTHING
            targets = tuple(Target(seen=row) for row in await self._clicked(command))
            at, rules = delivery.received, self.desk.rules
            return commands.excuse(command, reason, targets, at=at, rules=rules)

        await self.desk.commit(decide, delivery=delivery.guid)
        for verb in _asked_for(command, meant):
            self.metrics.command(verb, "failed")

    async def _meant(self, command: Comment) -> tuple[Said, ...]:
        """The commands that are surely for us, if not even that can be found out now."""
        people = People(github=self.github, repository=_repository(command.repository))
        try:
            async with asyncio.timeout(GATHER_LIMIT):
                return (await self._heard(command, people)).said
        except (DeliveryError, TimeoutError):
            return discussion.for_us(comments.commands(command.text), (), self.desk.rules)

    async def _now(
        self,
        facts: Facts,
        targets: Sequence[Target],
        wishes: Sequence[tuple[Verb, Seen]],
        slug: str,
    ) -> Facts:
        """With the runs as they are at this moment, and what was said about them before."""
        said = await self.runs.ballots(wishes, facts.pulls.values(), slug, self.desk.rules)
        return replace(facts, targets=tuple(targets), ballots=said)

    def _count(self, verb: Verb, login: str, decision: Decision, *, how: str) -> None:
        """For whoever looks after the house: what was asked for, by whom, and what was said."""
        result = _result(decision)
        self.metrics.command(verb, result)
        log.info(how, verb=verb, login=login, result=result)
        for one in decision.audit:
            log.info("audit", **to_builtins(one))


def _result(decision: Decision) -> CommandResult:
    if any(one.allowed for one in decision.audit):
        return "done"
    return "refused" if decision.audit else "not_ours"


def _only(decision: Decision, verb: Verb) -> Decision:
    return Decision(audit=tuple(one for one in decision.audit if one.verb is verb))


def _asked_for(command: Command | None, meant: Sequence[Said]) -> Iterable[Verb]:
    if isinstance(command, Comment):
        return discussion.verbs(meant)
    verb = commands.verb_of(command) if isinstance(command, Press | RerunAll) else None
    return (verb,) if verb else ()


async def _pulls(people: People, rows: Sequence[Seen]) -> dict[int, Pull]:
    """The pull requests that runs say they are of, as far as there are any."""
    numbers = {
        row.look.revision.pull_request
        for row in rows
        if row.look.revision and row.look.revision.pull_request
    }
    found = [await people.pull(number) for number in sorted(numbers)]
    known = [await people.with_author(pull) for pull in found if pull is not None]
    return {pull.number: pull for pull in known}


async def _nothing() -> Decision:
    return NOTHING


async def _this(decision: Decision) -> Decision:
    return decision


def _repository(full_name: str) -> Repository:
    """A webhook does not say which host it comes from: ours, whatever its name is."""
    owner, _, name = full_name.rpartition("/")
    return Repository(host="", owner=owner, name=name)
