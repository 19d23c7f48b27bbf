"""The spine, with real sockets: a run becomes a check and CDEvents, a click becomes one effect.

What each part does with bad weather is tested beside the part; crashes are in `tests/sim`.
"""

from pathlib import Path

from tests.world import until, world


async def test_a_run_becomes_one_check_and_three_events(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        run = w.pipelinerun()
        await until(lambda: w.check("tekton / build"))
        w.step(run, "Running")
        await until(lambda: w.checks()[0].status == "in_progress")
        w.step(run, "Succeeded", "True")
        check = await until(lambda: w.checks()[0].conclusion and w.checks()[0])
        await until(lambda: len(w.consumer.events) == 3)
        assert (check.conclusion, check.suite.head_sha) == ("success", w.commit)
        assert w.consumer.types == [
            "pipelinerun.queued",
            "pipelinerun.started",
            "pipelinerun.finished",
        ]
        assert len(w.checks()) == 1


async def test_rerun_creates_one_clean_copy_however_often_it_is_clicked(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        run = w.pipelinerun()
        w.run_through(run, "Failed")
        check = await until(lambda: w.checks() and w.checks()[0].conclusion and w.checks()[0])
        w.github.click_rerun(check.id, "dev")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(w.checks("tekton / build")) == 2)
        copies = [each for each in w.kube.list("PipelineRun", "ci") if each != run]
        assert len(w.kube.list("PipelineRun", "ci")) == 2
        assert copies


async def test_promote_opens_one_pull_request(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        w.release(version="1.1.0")
        check = await until(lambda: w.check("flux / dev/shop"))
        await until(lambda: check.conclusion == "success")
        assert check.actions[0]["label"] == "Promote to staging"
        w.github.click_action(check.id, "promote", "dev")
        w.github.click_action(check.id, "promote", "dev")
        pulls = w.github.repository("acme/gitops").pulls
        await until(lambda: pulls)
        await until(lambda: "#" in (check.summary or ""))
        assert len(pulls) == 1
