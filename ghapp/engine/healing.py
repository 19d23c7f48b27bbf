"""Checks that somebody else changed, with our App's key: noticed by GitHub's webhooks, told anew.

What is compared, and what has to be told, says `core.healed`. Nothing is asked of GitHub.
"""

from dataclasses import dataclass

from ghapp import log as logs
from ghapp.core import runs_table
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.effects import ShowRuns
from ghapp.core.healed import agrees, healed
from ghapp.core.webhook import ALL_RUNS, Completed
from ghapp.engine.desk import Desk
from ghapp.engine.gather import is_on, on_commit
from ghapp.metrics import Metrics
from ghapp.ports import Delivery, GitHub

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """Looks at check runs that were completed."""

    desk: Desk
    metrics: Metrics

    async def completed(self, there: Completed, delivery: Delivery, github: GitHub) -> None:
        """Tells the check anew if it is not as it was told; `github` is the App that heard it."""
        ours = there.app == await github.identify()

        async def decide() -> Decision:
            if not ours:
                return NOTHING
            if there.external_id.startswith(f"{ALL_RUNS}/"):
                return await self._all_runs(there, delivery, github)
            seen = await self.desk.store.by_external_id(there.external_id)
            if seen is None or not is_on(github, seen):
                return NOTHING
            return healed(seen, there, rules=self.desk.rules)

        decision = await self.desk.commit(decide, delivery=delivery.guid)
        if decision.effects:
            self.metrics.healed()
            log.warning(
                "somebody else changed a check; it is told anew",
                check_run=there.check_run,
                check=there.name,
                conclusion=there.conclusion,
            )

    async def _all_runs(self, there: Completed, delivery: Delivery, github: GitHub) -> Decision:
        """The check that sums up all runs of the commit."""
        provider = there.external_id.removeprefix(f"{ALL_RUNS}/")
        found = await on_commit(self.desk.store, github, there.commit)
        rows = [row for row in found if provider in row.shown]
        check = runs_table.summed_up(rows, name=there.name, external_id=there.external_id)
        if check is None or agrees(check, there):
            return NOTHING
        newest = rows[-1].look
        assert newest.revision is not None  # it is on a commit
        news = ShowRuns(
            subject=newest.subject,
            repository=newest.revision.repository,
            commit=newest.revision.commit,
            state=f"changed/{delivery.guid}",
            to=(provider,),
            changed=there.check_run,
        )
        return Decision(effects=(news,))
