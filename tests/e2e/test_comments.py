"""Commands in comments, end to end: read at once, judged by the facts, answered in one comment.

Which words mean what is `tests/core/test_discussion.py`; who may, by policies, `test_access.py`.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun, Pull
from tests.world import World, until, world

POLICY = """
apiVersion: checkrail.dev/v1alpha1
kind: AccessPolicy
metadata: {name: production}
spec:
  environments: [staging]
  rules:
    - actions: [promote, approve]
      teams: [acme/release]
      owners: [/deploy/]
      notAuthor: true
      approvals: 2
"""


def pull_request(w: World, login: str = "dev", branch: str = "topic") -> Pull:
    """One that is open, with a run of `build` on its newest commit, which `w.commit` is."""
    w.commit = w.github.push("acme/shop", branch, {"b.txt": branch}, "B", login)
    return w.github.open_pull("acme/shop", head=branch, title="B", login=login)


def answers(w: World) -> list[str]:
    """What we said, oldest first."""
    return [each.body for each in w.github.repository("acme/shop").comments.values() if each.app]


def runs(w: World) -> list[dict[str, Any]]:
    return w.kube.list("PipelineRun", "ci")


async def ended(w: World) -> None:
    await until(lambda: next((check for check in w.checks() if check.conclusion), None))


async def worked_off(product: Checkrail) -> None:
    async def idle() -> bool:
        backlog = await product.store.backlog()
        return not (backlog.deliveries or any(backlog.pending.values()))

    await until(idle)


async def test_a_retest_is_read_at_once_done_and_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        pull = pull_request(w)
        w.run_through(w.pipelinerun("first"), "Failed")
        await ended(w)
        asked = w.github.comment("acme/shop", pull.number, "Flaky again\n\n/retest", "dev")
        await until(lambda: len(runs(w)) == 2)
        await until(lambda: asked.reactions)
        await until(lambda: answers(w) and "Re-run as" in answers(w)[0])
        await worked_off(product)
        (answer,) = answers(w)
        assert "`/retest`: `tekton / build`: Re-run as" in answer
        assert "asked by **dev**" in answer
        (copy,) = [run for run in runs(w) if run["metadata"]["name"] != "first"]
        assert "dev" in copy["metadata"]["annotations"].values()


async def test_cancel_stops_what_runs_and_who_may_not_is_told_there(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        pull = pull_request(w)
        w.step(w.pipelinerun("first"), "Running")
        await until(lambda: next((c for c in w.checks() if c.actions), None))
        w.github.comment("acme/shop", pull.number, "/cancel", "eve")
        await until(lambda: answers(w) and "needs write access" in answers(w)[0])
        assert "status" not in runs(w)[0]["spec"]
        w.github.comment("acme/shop", pull.number, "/cancel build", "dev")
        await until(lambda: runs(w)[0]["spec"].get("status") == "Cancelled")
        await worked_off(product)
        assert "Cancelled, asked by **dev**" in answers(w)[1]


async def test_what_is_meant_for_others_is_left_to_them(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        pull = pull_request(w)
        for text in ("/test", "/lgtm", "no command", "/checkrail help"):
            w.github.comment("acme/shop", pull.number, text, "dev")
        await until(lambda: answers(w))
        await worked_off(product)
        (answer,) = answers(w)
        assert "`/ok-to-test [COMMIT]`" in answer
        marks = [each.reactions for each in w.github.repository("acme/shop").comments.values()]
        assert [bool(found) for found in marks] == [False, False, False, True, False]


async def test_our_own_answers_and_edits_are_no_commands(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        pull = pull_request(w)
        w.run_through(w.pipelinerun("first"), "Failed")
        await ended(w)
        asked = w.github.comment("acme/shop", pull.number, "/checkrail help", "dev")
        await until(lambda: answers(w))
        asked.body = "/retest"
        await worked_off(product)
        assert len(answers(w)) == 1
        assert len(runs(w)) == 1


async def test_a_strangers_commit_is_tested_after_ok_to_test_and_the_next_is_not(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.create_user("zoe")
        w.github.fork("acme/shop", "zoe")
        w.commit = w.github.push("zoe/shop", "topic", {"b.txt": "b"}, "B", "zoe")
        pull = w.github.open_pull("acme/shop", head="zoe:topic", title="B", login="zoe")
        w.run_through(w.pipelinerun("first"), "Failed")
        await ended(w)
        w.github.comment("acme/shop", pull.number, "/test", "dev")
        await until(lambda: answers(w) and "is by zoe, who may not write here" in answers(w)[0])
        w.github.comment("acme/shop", pull.number, f"/ok-to-test {w.commit}", "zoe")
        await until(lambda: len(answers(w)) == 2 and "cannot allow this" in answers(w)[1])
        w.github.comment("acme/shop", pull.number, f"/ok-to-test {w.commit}\n/test", "dev")
        await until(lambda: len(runs(w)) == 2)
        w.commit = w.github.push("zoe/shop", "topic", {"b.txt": "c"}, "C", "zoe")
        later = w.pipelinerun("second")
        w.run_through(later, "Failed")
        await until(lambda: len(w.checks()) == 3)
        w.github.comment("acme/shop", pull.number, "/retest", "dev")
        await until(lambda: len(answers(w)) == 4 and "may not write" in answers(w)[3])
        await worked_off(product)
        assert len(runs(w)) == 3


async def test_two_of_a_team_or_the_owners_promote_and_not_the_author(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.github.create_team("acme", "release", ("cas", "dev"))
        for login in ("bob", "cas"):
            w.github.set_role("acme/shop", login, "write")
        owners = {".github/CODEOWNERS": "* @ann\n/deploy/ @bob\n"}
        w.github.push("acme/shop", "main", owners, "Owners", "ann")
        w.commit = w.github.push("acme/shop", "main", {"c.txt": "c"}, "C", "dev")
        folder = tmp_path / "documents"
        folder.mkdir()
        settings = w.settings()
        assert settings.config
        (folder / "pipeline.yaml").write_text(settings.config.read_text())
        (folder / "access.yaml").write_text(POLICY)
        async with w.running(config=folder) as product:
            w.release(version="1.1.0")
            await ended(w)
            (check,) = w.checks()
            pulls = w.github.repository("acme/gitops").pulls

            def says(text: str) -> Any:
                return until(lambda: text in (check.summary or ""))

            w.github.click_action(check.id, "promote", "ann")
            await says("**ann**: cannot promote this: it needs to be in acme/release or to own")
            w.github.click_action(check.id, "promote", "dev")
            await says("**dev**: cannot promote this: AccessPolicy production wants somebody else")
            w.github.click_action(check.id, "promote", "cas")
            await says("1 of 2 approvals")
            assert next(action["identifier"] for action in check.actions) == "approve"
            w.github.click_action(check.id, "approve", "cas")
            await says("**cas** has asked already")
            assert not pulls
            w.github.click_action(check.id, "approve", "bob")
            await until(lambda: pulls)
            await worked_off(product)
            assert len(pulls) == 1


async def test_a_second_persons_approve_is_the_last_vote_and_promotes(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.github.create_team("acme", "release", ("bob", "cas", "dev"))
        for login in ("bob", "cas"):
            w.github.set_role("acme/shop", login, "write")
        pull = pull_request(w)
        folder = tmp_path / "documents"
        folder.mkdir()
        settings = w.settings()
        assert settings.config
        (folder / "pipeline.yaml").write_text(settings.config.read_text())
        (folder / "access.yaml").write_text(POLICY)
        async with w.running(config=folder) as product:
            w.release(version="1.1.0")
            await ended(w)
            made = w.github.repository("acme/gitops").pulls
            for login, words, answer in (
                ("dev", "/promote staging", "wants somebody else than the author"),
                ("bob", "/promote staging", "1 of 2 approvals"),
                ("bob", "/approve", "has asked already: 1 of 2 approvals"),
            ):
                w.github.comment("acme/shop", pull.number, words, login)
                await until(lambda answer=answer: answer in "".join(answers(w)))  # type: ignore[misc]
            assert not made
            w.github.comment("acme/shop", pull.number, "/approve", "cas")
            await until(lambda: made)
            await worked_off(product)
            assert len(made) == 1


NOT_THE_AUTHOR = """
apiVersion: checkrail.dev/v1alpha1
kind: AccessPolicy
metadata: {name: others}
spec:
  rules:
    - actions: [cancel]
      notAuthor: true
"""


def shown(check: CheckRun, text: str) -> bool:
    return text in (check.summary or "")


async def test_who_opened_the_pull_request_is_an_author_to_a_button_too(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.github.set_role("acme/shop", "bob", "write")
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "bob")
        w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
        folder = tmp_path / "documents"
        folder.mkdir()
        (folder / "access.yaml").write_text(NOT_THE_AUTHOR)
        async with w.running(config=folder):
            w.step(w.pipelinerun("first"), "Running")
            check = await until(lambda: next((c for c in w.checks() if c.actions), None))
            for login in ("dev", "bob"):
                w.github.click_action(check.id, "cancel", login)
                said = f"**{login}**: cannot cancel this: AccessPolicy others wants somebody else"
                await until(partial(shown, check, said))
            assert "status" not in runs(w)[0]["spec"]


async def test_what_cannot_be_judged_is_said_and_not_done(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        pull = pull_request(w)
        w.run_through(w.pipelinerun("first"), "Failed")
        await ended(w)
        w.kube.deny("get", "pipelineruns")
        w.github.comment("acme/shop", pull.number, "/retest\n/lgtm", "dev")
        await until(lambda: answers(w))
        await worked_off(product)
        (answer,) = answers(w)
        assert "`/retest`: **dev**: this cannot be judged" in answer
        assert "403" in answer
        assert len(runs(w)) == 1
