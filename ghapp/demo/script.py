"""What happens in the demo: the developers, their commits, and what is destined for each of them.

A push to acme/shop starts a PipelineRun, whoever pushed (the script, the page's button, a visitor
with gh), and for some commits an end-to-end test as a Job. Which run fails is decided here.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, cycle
from typing import Any, Final

from ghapp.demo import shop
from ghapp.demo.flux import SHOP
from ghapp.demo.github import GitHub
from ghapp.demo.kinds import (
    CHECK_NAME_NOTE,
    CI,
    COMMIT_NOTE,
    REF_NOTE,
    REPOSITORY_NOTE,
    SHOP_CI,
)
from ghapp.demo.kube import KubeApi

Object = dict[str, Any]

MAIN: Final = "refs/heads/main"
PUSHES: Final = 60
"""How many commits the script pushes before it leaves the stage to the visitor."""
_FIRST_PAUSE: Final = 3.0
_PAUSE: Final = 75.0
"""Seconds between two scripted pushes: time to read a check."""


class Fate(StrEnum):
    """What becomes of a commit."""

    GOOD = "good"
    FLAKY = "flaky"
    """Its tests fail at first and pass when they are run again."""
    BROKEN = "broken"
    """Its tests fail, always."""
    DOOMED = "doomed"
    """It builds and runs in dev, and does not come up in staging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A commit that somebody is going to push."""

    title: str
    author: str
    path: str
    fate: Fate = Fate.GOOD
    e2e: bool = False
    trouble: str = ""
    """What its tests say when they fail."""


HISTORY: Final = (
    Change(title="Keep the cart for thirty days", author="carol", path="cart/store.py"),
    Change(title="Show delivery times at checkout", author="alice", path="checkout/delivery.py",
           e2e=True),
    Change(title="Retry the stock lookup once", author="dave", path="stock/lookup.py",
           fate=Fate.FLAKY, trouble="TimeoutError: no answer from the stock in 2 s"),
)  # fmt: skip
"""Done before the visitor comes: released everywhere, released to dev, and waiting for a re-run."""

FIRST: Final = Change(
    title="Translate the order mail", author="dave", path="mail/order.py", e2e=True
)
"""Pushed while the visitor looks on."""

CYCLE: Final = (
    Change(title="Round prices to whole cents", author="carol", path="checkout/prices.py",
           fate=Fate.BROKEN, e2e=True, trouble="AssertionError: 19.98 is not 1998 cents"),
    Change(title="Charge cards through the new payment provider", author="alice",
           path="checkout/payment.py", fate=Fate.DOOMED, e2e=True),
    Change(title="Sort search results by stock", author="dave", path="search/rank.py"),
    Change(title="Cache product pictures for a day", author="carol", path="web/pictures.py",
           fate=Fate.FLAKY, trouble="ConnectionResetError: the picture cache hung up"),
    Change(title="Explain why a voucher is refused", author="alice", path="checkout/voucher.py",
           e2e=True),
)  # fmt: skip


@dataclass(slots=True)
class Fates:
    """By commit; one that nobody scripted is good."""

    known: dict[str, Change] = field(default_factory=dict)

    def failing(self, commit: str, earlier: int) -> Mapping[str, int]:
        """The tasks of the pipeline that fail, in a commit's run after `earlier` others."""
        fate = self._of(commit)
        fails = fate is Fate.BROKEN or (fate is Fate.FLAKY and not earlier)
        return {"test": 1} if fails else {}

    def e2e_fails(self, commit: str) -> bool:
        """Whether the end-to-end test fails."""
        return self._of(commit) is Fate.BROKEN

    def doomed(self, commit: str, environment: str) -> bool:
        """Whether it fails to come up there."""
        return environment == "staging" and self._of(commit) is Fate.DOOMED

    def wants_e2e(self, commit: str) -> bool:
        """Whether it is tested end to end."""
        change = self.known.get(commit)
        return change is not None and change.e2e

    def printed(self, commit: str, step: str, exit_code: int) -> str:
        """What a step of a commit's run writes."""
        change = self.known.get(commit)
        path, trouble = (change.path, change.trouble) if change else ("", "")
        return shop.printed(step, failed=bool(exit_code), path=path, trouble=trouble)

    def _of(self, commit: str) -> Fate:
        change = self.known.get(commit)
        return change.fate if change else Fate.GOOD


@dataclass(slots=True, kw_only=True)
class Developers:
    """Push commits: by the script now and then, and whenever a visitor says so."""

    github: GitHub
    fates: Fates
    speed: float
    _ahead: Iterator[Change] = field(default_factory=lambda: chain((FIRST,), cycle(CYCLE)))
    _count: int = 0

    async def run(self) -> None:
        """Pushes what the script says, and stops when it is over."""
        await asyncio.sleep(_FIRST_PAUSE / self.speed)
        for _ in range(PUSHES):
            self.push(next(self._ahead))
            await asyncio.sleep(_PAUSE / self.speed)

    def push(self, change: Change, *, author: str = "") -> str:
        """A commit of this change on main; its id.

        The run begins in another task, with the notice of the push: its fate is known by then.
        """
        self._count += 1
        text = shop.changed_file(change.title, self._count)
        login = author or change.author
        sha = self.github.push(SHOP, "main", {change.path: text}, message_of(change), login)
        self.fates.known[sha] = change
        return sha

    def push_for(self, login: str, *, broken: bool) -> str:
        """A visitor's commit: one that passes, or one that breaks the checkout test."""
        title = "Break the checkout test" if broken else "Add a gift message to orders"
        path = "checkout/total.py" if broken else "orders/gift.py"
        fate = Fate.BROKEN if broken else Fate.GOOD
        trouble = "AssertionError: the total is 0"
        change = Change(
            title=title, author=login, path=path, fate=fate, e2e=broken, trouble=trouble
        )
        return self.push(change)


def message_of(change: Change) -> str:
    """The commit message."""
    return f"{change.title}\n\nTouches {change.path}."


@dataclass(slots=True, kw_only=True)
class Triggers:
    """What Tekton Triggers does: a push to main becomes a run."""

    github: GitHub
    kube: KubeApi
    fates: Fates

    async def run(self) -> None:
        """Starts runs until cancelled."""
        async for notice in self.github.subscribe():
            pushed = (notice.kind, notice.repository, notice.facts.get("ref"))
            if pushed == ("push", SHOP, MAIN):
                self.start(str(notice.facts["sha"]))

    def start(self, commit: str) -> None:
        """The run of a commit, and its end-to-end test."""
        self.kube.create(pipeline_run(commit))
        if self.fates.wants_e2e(commit):
            self.kube.create(e2e_job(commit))


def notes(commit: str) -> dict[str, str]:
    """The annotations that tell checkrail which commit it is."""
    return {REPOSITORY_NOTE: SHOP, COMMIT_NOTE: commit, REF_NOTE: MAIN}


def pipeline_run(commit: str, namespace: str = CI) -> Object:
    """The run that tests and builds a commit."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "generateName": f"{SHOP_CI}-",
            "namespace": namespace,
            "labels": {"app": "shop"},
            "annotations": notes(commit),
        },
        "spec": {
            "pipelineRef": {"name": SHOP_CI},
            "params": [{"name": "revision", "value": commit}],
            "taskRunTemplate": {"serviceAccountName": "default"},
            "timeouts": {"pipeline": "1h0m0s"},
        },
    }


def e2e_job(commit: str) -> Object:
    """The end-to-end test of a commit."""
    container = {
        "name": "main",
        "image": f"ghcr.io/acme/shop-e2e:{commit[:7]}",
        "command": ["/e2e", "--journeys", "buy,return"],
        "env": list(shop.SIGNED_IN),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "generateName": "e2e-",
            "namespace": CI,
            "labels": {"app": "shop"},
            "annotations": {**notes(commit), CHECK_NAME_NOTE: "job / e2e"},
        },
        "spec": {
            "backoffLimit": 1,
            "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
        },
    }
