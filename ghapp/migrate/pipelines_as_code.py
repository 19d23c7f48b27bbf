"""Pipelines-as-Code: a `Repository` says which namespace may speak for a repository.

That is what a TrustPolicy says. Pipelines-as-Code itself is alive and starts runs, which checkrail
does not: its objects stay where they are.
"""

from typing import Final

from ghapp.core.source import Resource
from ghapp.migrate._source import Source
from ghapp.migrate._texts import repository_of, say_host
from ghapp.migrate._tool import GITHUB, Around, Draft, Page, Tool

GROUP: Final = "pipelinesascode.tekton.dev"
REPOSITORY: Final = Resource(GROUP, "v1alpha1", "repositories", "Repository")
GLOBAL: Final = Resource(GROUP, "v1alpha1", "globalrepositories", "GlobalRepository")

_STARTS: Final = "Pipelines-as-Code goes on doing this: it starts runs, checkrail shows them"
_POLICIES: Final = "who may do what comes with access policies; until then GitHub's permissions"
_SPEC: Final = {
    ("concurrency_limit",): _STARTS,
    ("params",): _STARTS,
    ("incoming",): _STARTS,
    ("settings", "pipelinerun_provenance"): _STARTS,
    ("settings", "github_app_token_scope_repos"): "it widens the token of its runs; it grants no "
    "right to speak for these repositories",
    ("settings", "policy"): _POLICIES,
    ("settings", "github"): "checkrail writes no comments",
}


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """A TrustPolicy; none without a repository on a GitHub."""
    url = source.text("spec", "url")
    where = ("spec", "git_provider")
    forge = source.text(*where, "type").lower() or source.text("spec", "type").lower()
    for steps, why in _SPEC.items():
        source.left_if_there(why, "spec", *steps)
    if source.kind == GLOBAL.kind or not url:
        source.left("it gives defaults to other Repositories, and names none", "spec", "url")
        return ()
    if forge not in {"", "github"}:
        for steps in (where, ("spec", "type"), ("spec", "url")):
            source.left_if_there("checks are GitHub's; nothing is shown on this forge", *steps)
        return ()
    repository = repository_of(url)
    if not repository:
        source.to_do("this URL names no repository: write the TrustPolicy by hand", "spec", "url")
        return ()
    _provider(source, url)
    return (_policy(source, repository),)


def _provider(source: Source, url: str) -> None:
    named = ("spec", "git_provider", "url")
    say_host(source, source.text(*named) or url, *(named if source.at(*named) else ()))
    for name in ("secret", "webhook_secret", "user"):
        source.needless("checkrail is a GitHub App", "spec", "git_provider", name)


def _policy(source: Source, repository: str) -> Draft:
    source.to_do(
        "the first TrustPolicy turns trust round: from then on only what a policy grants is shown. "
        "Do all namespaces with runs have one?",
        beside=("spec",),
    )
    text = "all runs of the namespace may be shown there, whoever started them"
    source.differs(text, "spec", "url", beside=("spec", "repositories"))
    return Draft(
        kind="TrustPolicy",
        name=f"{source.namespace}-{source.name}",
        spec={"namespaces": [source.namespace], "repositories": [repository]},
        tells=(GITHUB,),
    )


TOOL: Final = Tool(
    name="Pipelines-as-Code",
    resources=(REPOSITORY, GLOBAL),
    move=move,
    fields={
        "`metadata.namespace` and `spec.url`": "a TrustPolicy: this namespace may speak for that "
        "repository",
        "`spec.git_provider` of GitHub Enterprise": "to do: `CHECKRAIL_GITHUB_API_URL`",
        "`spec.git_provider` of other forges": "not supported: no TrustPolicy",
        "`spec.concurrency_limit`, `spec.params`, `spec.incoming`": "stay with Pipelines-as-Code",
        "`spec.settings.policy`": "comes with access policies",
        "`spec.settings.github_app_token_scope_repos`": "not carried over: it is about tokens, "
        "not about trust",
        "GlobalRepository": "defaults; no document",
        "annotations of runs": "keep working; a run that Pipelines-as-Code reports itself (with a "
        "`check-run-id`) is not shown twice",
    },
    page=Page(
        about=(
            "Pipelines-as-Code goes on: it starts runs when something is pushed, which checkrail "
            "does not. What is moved over is which namespace may speak for which repository."
        ),
        better=(
            "Runs that it did not start are shown, too: by hand, by Triggers, by a CronJob.",
            "A click re-runs the one run whose check it is on, and one cancels it.",
        ),
        missing=(
            "GitLab, Bitbucket, Gitea and Forgejo.",
            "Starting runs from `.tekton/`, comments that start them, concurrency limits.",
        ),
    ),
)
