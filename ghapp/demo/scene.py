"""What there is when the curtain rises: people, repositories, the App, and a morning's history.

The history is stored as if it had happened, with the times of the last quarter of an hour: runs
that ended, a release in every environment. The product finds it as in any cluster it comes to.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from ghapp.demo import documents, flux, flux_model, jobs, pods, shop, tekton, tekton_model
from ghapp.demo.flux import BOT, GITOPS, SHOP, Charts
from ghapp.demo.github import App, GitHub
from ghapp.demo.kinds import COMMIT_NOTE, ENVIRONMENTS, definitions, notes_of
from ghapp.demo.kube import KubeApi
from ghapp.demo.script import HISTORY, Change, Fates, e2e_job, message_of, pipeline_run
from ghapp.documents import crds

Object = dict[str, Any]

ACCOUNT: Final = "acme"
PEOPLE: Final = {"alice": "write", "bob": "read", "carol": "admin"}
"""Whom the visitor can be, and what each may do."""
_OTHERS: Final = {"dave": "write", BOT: "write"}
_PERMISSIONS: Final = {
    "checks": "write",
    "contents": "write",
    "members": "read",
    "pull_requests": "write",
}
_EVENTS: Final = ("push", "pull_request", "issue_comment")
_AGO: Final = (13.0, 7.0, 2.5)
"""Minutes before the visitor comes that each commit of the history was pushed."""


@dataclass(slots=True)
class Clock:
    """The time of day, and of the past while the history is written."""

    ago: timedelta = timedelta()

    def now(self) -> datetime:
        """As the Kubernetes API wants it."""
        return datetime.now(UTC) - self.ago

    def seconds(self) -> float:
        """As GitHub wants it."""
        return self.now().timestamp()


@dataclass(slots=True, kw_only=True)
class Scene:
    """The stand-ins, filled."""

    github: GitHub
    kube: KubeApi
    app: App
    charts: Charts
    fates: Fates
    tokens: dict[str, str] = field(default_factory=dict)
    """Of the people, for gh."""


def build(base_url: str, *, webhook_secret: str) -> Scene:
    """All of it, as the visitor finds it."""
    clock = Clock(timedelta(minutes=20))
    github = GitHub(base_url=f"{base_url}/github", web_url=base_url, clock=clock.seconds)
    kube = KubeApi(crds=[*definitions(), *crds.manifests()], now=clock.now)
    for declared in (shop.secret(), *documents.declared(base_url)):
        kube.create(declared)
    app = _people(github, f"{base_url}/github/webhook", webhook_secret)
    scene = Scene(github=github, kube=kube, app=app, charts=Charts(), fates=Fates())
    for change, minutes in zip(HISTORY, _AGO, strict=True):
        clock.ago = timedelta(minutes=minutes)
        _past(scene, change, clock.now())
    clock.ago = timedelta()
    scene.tokens = {login: github.create_user_token(login) for login in PEOPLE}
    return scene


def _people(github: GitHub, webhook_url: str, webhook_secret: str) -> App:
    """Accounts, repositories and the App, installed."""
    for login in (*PEOPLE, *_OTHERS):
        github.create_user(login)
    github.create_org(ACCOUNT, owners=("carol",))
    github.create_repository(SHOP, shop.FILES)
    files = {flux.path_of(name): flux.release_file(name, "1.4.0") for name in ENVIRONMENTS}
    github.create_repository(GITOPS, {"README.md": "# gitops\n\nWhat runs where.\n", **files})
    for repository in (SHOP, GITOPS):
        for login, role in (PEOPLE | _OTHERS).items():
            github.set_role(repository, login, role)
    app = github.create_app(
        "checkrail", _PERMISSIONS, _EVENTS, webhook_url, webhook_secret, owner=ACCOUNT
    )
    github.install(app, ACCOUNT)
    return app


# --- the past -------------------------------------------------------------------------------------


def _past(scene: Scene, change: Change, when: datetime) -> None:
    """A commit that was pushed, tested and, if its tests passed, released."""
    files = {change.path: shop.changed_file(change.title, 0)}
    commit = scene.github.push(SHOP, "main", files, message_of(change), change.author)
    scene.fates.known[commit] = change
    failing = scene.fates.failing(commit, 0)
    plan = tekton_model.schedule(tekton_model.SHOP_CI, failing)
    _play(scene, pipeline_run(commit), plan, when)
    if change.e2e:
        _test(scene.kube, commit, when)
    if failing:
        _forge(scene, commit, when)
        return
    version = scene.charts.publish(commit)
    first = version == "1.4.0"
    places = ENVIRONMENTS if first else ("dev",)
    ended = when + timedelta(seconds=plan.end)
    for index, environment in enumerate(places):
        at = ended + timedelta(seconds=20 + 70 * index)
        _deploy(scene.kube, environment, version, commit, at)
    if not first:
        path = flux.path_of("dev")
        text = flux.with_version(scene.github.file(GITOPS, path).decode(), version)
        scene.github.push(GITOPS, "main", {path: text}, f"Release shop {version} to dev", BOT)


def _forge(scene: Scene, commit: str, when: datetime) -> None:
    """A run in a namespace that must not speak for the shop claims that the commit is good."""
    plan = tekton_model.schedule(tekton_model.SHOP_CI, {})
    _play(scene, pipeline_run(commit, documents.PLAYGROUND), plan, when)


def _play(scene: Scene, wanted: Object, plan: tekton_model.Schedule, when: datetime) -> None:
    """A PipelineRun that is over, with its TaskRuns, their pods and logs."""
    run = _stored(wanted, f"shop-ci-{_suffix()}", when)
    run["metadata"]["labels"]["tekton.dev/pipeline"] = tekton.pipeline_name(run)
    name, clock = run["metadata"]["name"], tekton_model.linear(when)
    look = tekton_model.at(plan, plan.end, name=name, clock=clock, spec=tekton.shop_ci())
    scene.kube.replay("ADDED", {**run, "status": look.run})
    for part in plan.parts:
        child = tekton.task_run(run, part.task.name)
        born = _stored(child, child["metadata"]["name"], clock(part.created))
        status = look.tasks[part.task.name] or {}
        scene.kube.replay("ADDED", {**born, "status": status})
        _leave(scene, born, part.task, status)


def _leave(scene: Scene, child: Object, task: tekton_model.Task, status: Object) -> None:
    """The pod of a TaskRun that is over, and its logs."""
    pod = pods.of_task(child, task, status)
    namespace, name = child["metadata"]["namespace"], pod["metadata"]["name"]
    stored = _stored(pod, name, scene.kube.now())
    scene.kube.replay("ADDED", stored)
    commit = notes_of(child)[COMMIT_NOTE]
    for container, text in pods.logs_of(task, status, commit, scene.fates.printed):
        scene.kube.set_log(namespace, name, container, text)


def _test(kube: KubeApi, commit: str, when: datetime) -> None:
    """An end-to-end test that passed."""
    stamp, ended = tekton_model.stamp(when), tekton_model.stamp(when + timedelta(seconds=8))
    job = _stored(e2e_job(commit), f"e2e-{_suffix()}", when)
    kube.replay("ADDED", {**job, "status": jobs.over(stamp, ended, 0)})


def _deploy(kube: KubeApi, environment: str, version: str, commit: str, when: datetime) -> None:
    """A release that was rolled out."""
    wanted = flux.release_of(environment, version, commit)
    known = kube.list("helmreleases", environment)
    before = known[0] if known else _stored(wanted, "shop", when)
    generation = before["metadata"]["generation"] + bool(known)
    notes = wanted["metadata"]["annotations"]
    metadata = {**before["metadata"], "generation": generation, "annotations": notes}
    release = {**before, "metadata": metadata, "spec": wanted["spec"]}
    acted = {**release, "status": flux_model.acting(release, "upgrade", when)}
    done = flux_model.deployed(acted, when + timedelta(seconds=4))
    kube.replay("MODIFIED" if known else "ADDED", {**release, "status": done})


def _stored(wanted: Object, name: str, when: datetime) -> Object:
    """What the API server would have made of it then."""
    made = {"name": name, "uid": str(uuid4()), "creationTimestamp": tekton_model.stamp(when)}
    return {**wanted, "metadata": {**wanted["metadata"], **made, "generation": 1}}


def _suffix() -> str:
    """Five letters, as Kubernetes generates them."""
    return "".join("bcdfghjklmnpqrst"[int(digit, 16)] for digit in uuid4().hex[:5])
