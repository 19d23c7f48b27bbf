"""What the doctor finds, with the real clients against the stand-ins."""

from pathlib import Path

from ghapp import crds
from ghapp.doctor import Finding, examine
from tests.world import World, world


async def findings(w: World) -> list[Finding]:
    return [finding async for finding in examine(w.settings())]


def ill(found: list[Finding]) -> str:
    return "\n".join(f"{finding.what}: {finding.mend}" for finding in found if not finding.well)


async def test_where_all_is_well_nothing_has_to_be_mended(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        await w.github.settled()
        w.github.hooks.log.clear()
        found = await findings(w)
    said = "\n".join(finding.what for finding in found)
    assert ill(found) == ""
    assert "PipelineRuns are served" in said
    assert "may do all it needs everywhere" in said
    assert "installed on acme" in said
    assert "webhooks reach" in said


async def test_a_missing_right_is_named_with_what_grants_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("create", "jobs")
        found = ill(await findings(w))
    assert "may not create jobs everywhere" in found
    assert "checkrail rbac" in found


async def test_rights_to_logs_are_missed_only_where_logs_are_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("get", "pods/log")
        assert "may not get pods/log everywhere" in ill(await findings(w))
        without = [finding async for finding in examine(w.settings(logs=False))]
    assert "pods/log" not in ill(without)


async def test_what_is_not_installed_is_no_illness(tmp_path: Path) -> None:
    async with world(tmp_path, crds=False) as w:
        found = [finding.what for finding in await findings(w) if finding.about == "cluster"]
    assert "PipelineRuns are not installed; watched once they are" in found


async def test_without_our_kinds_only_files_count_and_nobody_needs_rights_to_them(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("list", "providers")
        found = await findings(w)
    said = "\n".join(finding.what for finding in found if finding.about == "cluster")
    assert "our own kinds are not installed; only documents in files count" in said
    assert "checkrail crds" in said
    assert "providers" not in ill(found)


async def test_missing_rights_to_our_kinds_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for crd in crds.manifests():
            w.kube.create(crd)
        w.kube.deny("list", "providers")
        w.kube.deny("patch", "trustpolicies/status")
        w.kube.deny("create", "events", namespace="default")
        found = await findings(w)
        in_one = [one async for one in examine(w.settings(namespaces=("ci",)))]
    said = "\n".join(finding.what for finding in found)
    assert "documents are read from files and from the cluster" in said
    assert "may not list providers, patch trustpolicies/status everywhere" in said
    assert "may not list providers in ci" in ill(in_one)
    assert "may not create events in default" in ill(in_one)
    assert "may not patch trustpolicies/status everywhere" in ill(in_one)


async def test_some_of_our_kinds_are_not_all(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.create(crds.manifests()[0])
        said = "\n".join(finding.what for finding in await findings(w))
    assert "our own kinds are not installed: ClusterProvider, " in said


async def test_webhooks_that_do_not_arrive_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:  # nobody serves the webhook URL
        await w.github.settled()
        found = ill(await findings(w))
    assert "did not reach" in found


async def test_an_app_that_is_installed_nowhere_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w:
        assert "installed nowhere" in ill(await findings(w))


async def test_a_cluster_that_does_not_answer_does_not_hide_github(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        settings = w.settings()
        (tmp_path / "kubeconfig").write_text(
            (tmp_path / "kubeconfig").read_text().replace(w.kube_url, "http://127.0.0.1:9")
        )
        found = [finding async for finding in examine(settings)]
    assert any(not finding.well and finding.about == "cluster" for finding in found)
    assert any("installed on acme" in finding.what for finding in found)
