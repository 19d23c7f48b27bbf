"""pipeline-controller's `Pipeline`: read as it is already, here written as ours.

It could promote by itself; checkrail promotes when a person asks for it.
"""

from typing import Final

from ghapp.core.source import Resource
from ghapp.documents.reading import Steps
from ghapp.migrate._source import Source
from ghapp.migrate._texts import without_empty
from ghapp.migrate._tool import Around, Draft, Json, Page, Tool

PIPELINE: Final = Resource("pipelines.weave.works", "v1alpha1", "pipelines", "Pipeline")


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """The same Pipeline, under the same name: the markers in the manifests name it."""
    ref = ("spec", "appRef")
    spec: Json = {
        "appRef": {name: source.text(*ref, name) for name in ("apiVersion", "kind", "name")},
        "environments": [
            _environment(source, ("spec", "environments", at))
            for at in range(source.count("spec", "environments"))
        ],
        "promotion": _promotion(source, ("spec",), ("spec", "promotion")),
    }
    draft = Draft(
        kind="Pipeline",
        namespace=source.namespace,
        name=source.name,
        exact=True,
        spec=without_empty(**spec),
    )
    return (draft,)


def _environment(source: Source, where: Steps) -> Json:
    targets = []
    for at in range(source.count(*where, "targets")):
        here = (*where, "targets", at)
        if source.at(*here, "clusterRef") is not None:
            text = "taken for a namespace of the cluster that checkrail runs in; if not, remove it"
            source.to_do(text, *here, "clusterRef", beside=("spec", "environments"))
        targets.append({"namespace": source.text(*here, "namespace")})
    return without_empty(
        name=source.text(*where, "name"),
        targets=targets,
        promotion=_promotion(source, where, ("spec", "environments")),
    )


def _promotion(source: Source, owner: Steps, beside: Steps) -> Json:
    where = (*owner, "promotion")
    if source.at(*where) is None:
        return {}
    strategy = (*where, "strategy")
    text = "deliveries are GitHub's and signed; nothing has to be told of a new version"
    source.needless(text, *strategy, "secretRef")
    text = "nothing is sent when something is promoted"
    source.left_if_there(text, *strategy, "notification", beside=beside)
    request = (*strategy, "pull-request")
    kind = source.text(*request, "type")
    source.needless("checkrail writes as its GitHub App", *request, "secretRef")
    manual = source.flag(*where, "manual")
    if source.at(*request) is None:
        text = "only pull requests promote; there is none in it"
        source.left(text, *where, beside=beside)
        return {}
    if kind not in {"", "github"}:
        source.left("pull requests are opened on a GitHub only", *request, beside=beside)
        return {}
    if manual is not True:
        text = "checkrail promotes when a person presses the button, not by itself"
        source.differs(text, *where, "manual", beside=beside)
    found = {name: source.text(*request, name) for name in ("url", "baseBranch")}
    return {"manual": True, "strategy": {"pull-request": {"type": "github", **found}}}


TOOL: Final = Tool(
    name="pipeline-controller",
    resources=(PIPELINE,),
    move=move,
    fields={
        "`apiVersion`": "`checkrail.dev/v1alpha1`",
        "`spec.appRef`, `spec.environments[].name`": "the same",
        "`spec.environments[].targets[].namespace`": "the same",
        "`spec.environments[].targets[].clusterRef`": "to do: not carried over",
        "`promotion.manual`": "always `true`",
        "`promotion.strategy.pull-request`": "the same; type `github` only, `secretRef` not needed",
        "`promotion.strategy.notification`": "not carried over",
        "`promotion.strategy.secretRef`": "not needed",
        'marker `# {"$promotion": "ns:name:env"}`': "keeps working",
    },
    page=Page(
        about=(
            "A `Pipeline` of pipeline-controller is read as it is; moving over writes it as ours "
            "and says what is not honoured. Its name stays, because markers in manifests name it."
        ),
        better=(
            "A person who may asks for a promotion, with a button on the check, and is named.",
            "Any version of Flux' API, not the one that is written down.",
            "No token of a person: the GitHub App opens the pull request.",
        ),
        missing=(
            "Promoting without being asked (`manual: false`).",
            "Targets in other clusters (`clusterRef`).",
            "GitLab and Bitbucket; the notification strategy.",
        ),
    ),
)
