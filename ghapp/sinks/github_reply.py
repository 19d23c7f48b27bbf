"""Replies to comments on pull requests: a reaction at once, and one comment: what came of it.

GitHub drops a second reaction of the same kind. The answer is found by its id, or, when it is not
certain whether an earlier try made it, by the mark that names the comment it answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from ghapp.core import answers, retry
from ghapp.core.effects import Answer, Effect, React, Reply
from ghapp.errors import Reject, Retry
from ghapp.ports import GitHubs, Receipt, SinkType, Slot

REACTION: Final = "eyes"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to set."""


@dataclass(frozen=True, slots=True)
class GithubReply:
    """The discussions of pull requests."""

    settings: Settings
    githubs: GitHubs

    def accepts(self, effect: Effect) -> bool:
        """What is said to people who wrote a comment."""
        return isinstance(effect, React | Answer)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """React, or write or change the answer."""
        if isinstance(effect, React):
            await self._react(effect.reply)
            return None
        if not isinstance(effect, Answer):
            raise Reject(f"{key}: github-reply takes replies only")
        there = await self._there(effect.reply, slot)
        if there is None and slot.id is not None:
            return None  # somebody deleted it, who does not want to read it
        if there is None:
            return Receipt(slot=await self._made(effect))
        await self._changed(effect, there)
        return Receipt(slot=str(there["id"]))

    async def _react(self, reply: Reply) -> None:
        path = f"/issues/comments/{reply.comment}/reactions"
        try:
            await self._ask("POST", path, reply, {"content": REACTION})
        except Reject as error:
            if error.status != 404:  # the comment was deleted
                raise

    async def _there(self, reply: Reply, slot: Slot) -> Mapping[str, Any] | None:
        if slot.id is None:
            return None if slot.certain else await self._found(reply)
        try:
            found: Mapping[str, Any] = await self._ask("GET", f"/issues/comments/{slot.id}", reply)
        except Reject as error:
            if error.status == 404:
                return None
            raise
        return found

    async def _found(self, reply: Reply) -> Mapping[str, Any] | None:
        """The answer of an earlier try that we heard nothing of."""
        github = self.githubs.of(reply.source)
        app = await github.identify()
        since = quote(reply.since, safe="")
        path = f"{reply.repository.api_path}/issues/{reply.number}/comments?since={since}"
        async for comment in github.pages(path, repository=reply.repository):
            author = (comment.get("performed_via_github_app") or {}).get("id")
            if author == app and answers.sign(reply.comment) in str(comment.get("body")):
                found: Mapping[str, Any] = comment
                return found
        return None

    async def _made(self, effect: Answer) -> str:
        reply = effect.reply
        body = {"body": answers.written(reply.comment, effect.lines)}
        try:
            made = await self._ask("POST", f"/issues/{reply.number}/comments", reply, body)
        except Retry as error:
            raise retry.listed(error) from error
        return str(made["id"])

    async def _changed(self, effect: Answer, there: Mapping[str, Any]) -> None:
        before = str(there.get("body") or "")
        body = answers.written(effect.reply.comment, effect.lines, before)
        if body != before:
            path = f"/issues/comments/{there['id']}"
            await self._ask("PATCH", path, effect.reply, {"body": body})

    async def _ask(
        self, method: str, path: str, reply: Reply, body: Mapping[str, Any] | None = None
    ) -> Any:
        whole = reply.repository.api_path + path
        github = self.githubs.of(reply.source)
        return await github.request(method, whole, body, repository=reply.repository)


SINK = SinkType(
    "github-reply",
    Settings,
    GithubReply,
    permissions={"pull_requests:write": "answers the commands of comments on pull requests"},
)
