"""Pull requests that are opened, or get a newer commit: whoever shows all runs there has news.

A branch is often pushed, and its runs begin, before there is a pull request to show them below.
"""

from dataclasses import dataclass

from ghapp.core import commands
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.effects import ShowRuns
from ghapp.core.webhook import PullOpened
from ghapp.engine.desk import Desk
from ghapp.engine.gather import on_commit
from ghapp.ports import Delivery, GitHub


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulls:
    """Tells whoever was told of the runs."""

    desk: Desk

    async def opened(self, pull: PullOpened, delivery: Delivery, github: GitHub) -> None:
        """Nothing is owed where nothing has run on its newest commit yet: runs bring news."""

        async def decide() -> Decision:
            found = await on_commit(self.desk.store, github, pull.head)
            rows = [seen for seen in found if commands.is_of(seen.look, pull)]
            if not rows:
                return NOTHING
            newest = rows[-1].look
            assert newest.revision is not None  # it is on a commit
            news = ShowRuns(
                subject=newest.subject,
                repository=newest.revision.repository,
                commit=newest.revision.commit,
                state=f"opened/{delivery.guid}",
                pull_request=pull.number,
                to=tuple(sorted({name for seen in rows for name in seen.shown})),
            )
            return Decision(effects=(news,))

        await self.desk.commit(decide, delivery=delivery.guid)
