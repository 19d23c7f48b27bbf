"""What is particular about each tool; the whole of it is in the golden files."""

from pathlib import Path
from typing import Any

import pytest

from ghapp import moving
from ghapp.core import audience
from ghapp.core.case import Case
from ghapp.core.model import Observation
from ghapp.documents import config
from ghapp.documents.compiled import compile_documents
from ghapp.migrate._tool import Options
from tests.core.builders import release_look, run_look
from tests.migrate import rig


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "input.yaml"


def told(result: moving.Result, look: Observation, labels: dict[str, str], path: Path) -> Any:
    """Who hears of a run, with the result as the process' only documents."""
    path.write_text(result.text, encoding="utf-8")
    compiled = compile_documents(config.load(path), ("github-check",), cluster="default")
    raw = rig.as_json({"metadata": {"labels": labels}}).encode()
    return audience.hear(compiled.listening, Case(look=look, raw=raw))


ENABLED = {"pipelinesfeedback.keskad.pl/enabled": "true"}
CONFIG = """\
apiVersion: pipelinesfeedback.keskad.pl/v1alpha1
kind: PFConfig
metadata: {name: shop, namespace: ci}
"""


def test_who_opted_in_is_told_once_and_nobody_else_is(file: Path) -> None:
    both = "data: {jxscm.git-kind: github}\nspec: {jobDiscovery: {labelSelector: [{}, {}]}}\n"
    result = rig.moved(file, CONFIG + both)
    assert told(result, run_look(), ENABLED, file).audience.providers == ("clusterprovider/github",)
    assert told(result, run_look(), {}, file).audience.providers == ()


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (Options(enabled_label=("acme.example/report", "yes")), {"acme.example/report": "yes"}),
        (Options(enabled_label=None), {}),
    ],
)
def test_the_label_may_be_another_one_or_none(
    file: Path, options: Options, labels: dict[str, str]
) -> None:
    result = rig.moved(file, CONFIG + "data: {}\n", options)
    assert told(result, run_look(), labels, file).audience.providers == ("clusterprovider/github",)


def test_the_last_word_is_that_of_the_higher_weight_and_the_file_has_the_first(
    tmp_path: Path, file: Path
) -> None:
    (tmp_path / "a").mkdir()
    rig.found(tmp_path / "a" / "x.json", '{"logs-max-full-length-lines-count": 1}')
    for name, weight in (("zz", 1), ("aa", 2)):
        text = CONFIG.replace("shop", name) + (
            f"spec: {{priorityWeight: {weight}}}\n"
            f'data: {{logs-max-full-length-lines-count: "{10 * weight}"}}\n'
        )
        rig.found(tmp_path / "a" / f"{name}.yaml", text)
    found = moving.read_files([tmp_path / "a"], rig.TOOLS)
    result = moving.moved(found, rig.TOOLS, Options())
    heard = told(result, run_look(), ENABLED, file)
    assert heard.audience.presentation.logs.lines == 20
    assert heard.audience.providers == ("clusterprovider/github",)


def test_a_label_that_the_selector_asks_for_otherwise_selects_nothing(file: Path) -> None:
    text = "{matchLabels: {pipelinesfeedback.keskad.pl/enabled: 'no'}}"
    result = rig.moved(
        file, f"{CONFIG}data: {{}}\nspec: {{jobDiscovery: {{labelSelector: [{text}]}}}}"
    )
    label = "pipelinesfeedback.keskad.pl/enabled"
    for value in ("no", "true"):
        assert told(result, run_look(), {label: value}, file).audience.providers == ()


@pytest.mark.parametrize(
    ("data", "logs"),
    [
        ("{logs-enabled: 'false'}", {"when": "never"}),
        ("{logs-enabled: 'no'}", {"when": "always"}),
        ("{logs-max-line-length: '5'}", {"lineLength": 20}),
        ("{global.logs-max-full-length-lines-count: 2000}", {"lines": 1000}),
        ("{logs-max-line-length: 'x'}", None),
        ("{}", None),
    ],
)
def test_logs(file: Path, data: str, logs: Any) -> None:
    result = rig.moved(file, f"{CONFIG}data: {data}\n")
    assert rig.spec(result, "Notification ci/shop").get("logs") == logs


def test_the_files_git_host_counts_where_a_config_says_none(tmp_path: Path) -> None:
    rig.found(tmp_path / "pipelines-feedback.json", '{"jxscm.git-kind": "gitlab"}')
    rig.found(tmp_path / "x.yaml", CONFIG + "data: {}\n")
    found = moving.read_files([tmp_path], rig.TOOLS)
    result = moving.moved(found, rig.TOOLS, Options())
    assert "ClusterProvider github" not in rig.documents_of(result)


def test_the_charts_config_map_is_read(file: Path) -> None:
    text = """\
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: pf, namespace: ci}
        data:
          pipelines-feedback.json: |
            {"jxscm.token": "secretsecret", "logs-enabled": "true"}
        """
    result = rig.moved(file, text)
    assert rig.spec(result, "ClusterNotification pipelines-feedback")["logs"] == {"when": "always"}
    assert "secretsecret" not in result.text
    assert any("jxscm.token: a token in plain text" in note for note in rig.said(result))


def test_templates_with_credentials_are_not_repeated(file: Path) -> None:
    text = CONFIG + "data: {dashboard-url: 'https://u:secretsecret@dash/{{ .name }}'}\n"
    result = rig.moved(file, text)
    assert "dashboardUrl" not in rig.spec(result, "Notification ci/shop")
    assert "secretsecret" not in result.text


@pytest.mark.parametrize(
    ("server", "api"),
    [
        ("github.com", None),
        ("https://github.com/", None),
        ("git.example.org", "https://git.example.org/api/v3"),
        ("https://u:secretsecret@git.example.org:8443/x", "https://git.example.org:8443/api/v3"),
        ("acme.ghe.com", "https://api.acme.ghe.com"),
        ("not a host", None),
    ],
)
def test_where_the_apps_github_is(file: Path, server: str, api: str | None) -> None:
    result = rig.moved(file, f"{CONFIG}data: {{jxscm.git-server: '{server}'}}\n")
    found = [one for one in rig.said(result) if "CHECKRAIL_GITHUB_API_URL" in one]
    assert [f"CHECKRAIL_GITHUB_API_URL={api} " in one for one in found] == ([True] if api else [])
    assert "secretsecret" not in result.text


EVENTS = """\
apiVersion: integrations.tekton.ornew.io/v1alpha1
kind: Provider
metadata: {name: events, namespace: ci}
spec: {type: CloudEvents, cloudEvents: {webhook: {url: "URL"}}}
"""


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://b/x", "https://b/x"),
        ("https://b/x?token=secretsecret", "https://b/x"),
        ("https://u:secretsecret@b/x", None),
        ("ftp://b", None),
        ("", None),
    ],
)
def test_the_receiver_of_events_without_what_may_be_secret(
    file: Path, url: str, ours: str | None
) -> None:
    result = rig.moved(file, EVENTS.replace("URL", url))
    provider = rig.documents_of(result).get("Provider ci/events")
    assert (provider and provider["spec"]["cdevents"]["url"]) == ours
    assert "secretsecret" not in result.text + "".join(rig.said(result))
    assert ours or any("no Provider was made of it" in note for note in rig.said(result))


def test_a_notification_with_no_kind_of_run_tells_nobody(file: Path) -> None:
    text = """\
        apiVersion: integrations.tekton.ornew.io/v1alpha1
        kind: Notification
        metadata: {name: none, namespace: ci}
        spec: {filter: {pipelineRun: {enabled: false}}}
        """
    result = rig.moved(file, text)
    assert rig.spec(result, "Notification ci/none")["suspend"] is True


REPOSITORY = """\
apiVersion: pipelinesascode.tekton.dev/v1alpha1
kind: Repository
metadata: {name: shop, namespace: ci}
spec: {url: "URL"}
"""


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://github.com/acme/shop", "github.com/acme/shop"),
        ("https://GitHub.com/acme/shop.git/", "github.com/acme/shop"),
        ("https://u:p@github.com/acme/shop", "github.com/acme/shop"),
        ("https://github.com/acme/*", None),
        ("https://github.com/acme/sho?", None),
        ("https://*/acme/shop", None),
        ("https://github.com/acme", None),
        ("https://github.com/../shop/..", None),
        ("https://[::1/acme/shop", None),
        ("acme/shop", None),
    ],
)
def test_trust_is_no_wider_than_the_repository(
    file: Path, url: str, repository: str | None
) -> None:
    result = rig.moved(file, REPOSITORY.replace("URL", url))
    policy = rig.documents_of(result).get("TrustPolicy ci-shop")
    assert (policy and policy["spec"]["repositories"]) == ([repository] if repository else None)
    assert not policy or policy["spec"]["namespaces"] == ["ci"]


def test_a_trust_policy_lets_the_namespace_use_the_app(file: Path) -> None:
    result = rig.moved(
        file, f"{REPOSITORY.replace('URL', 'https://github.com/a/b')}---\n{CONFIG}data: {{}}"
    )
    assert rig.spec(result, "TrustPolicy ci-shop")["providers"] == ["github"]


ALERT = """\
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: status, namespace: ci}
spec: {type: github, address: https://github.com/acme/fleet}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: a, namespace: ci}
spec:
  providerRef: {name: status}
"""


@pytest.mark.parametrize(
    ("sources", "hears"),
    [
        ("[{kind: HelmRelease, name: '*'}]", True),
        ("[{kind: HelmRelease, name: shop}]", True),
        ("[{kind: HelmRelease, name: cart}]", False),
        ("[{kind: HelmRelease, name: cart}, {kind: HelmRelease, name: shop}]", True),
        ("[{kind: HelmRelease, name: cart}, {kind: HelmRelease, name: '*'}]", True),
        ("[{kind: Kustomization, name: '*'}]", False),
        ("[{kind: Kustomization, name: '*'}, {kind: HelmRelease, name: cart}]", False),
        ("[{kind: HelmRelease, name: shop, namespace: other}]", False),
        ("[{kind: HelmRelease, name: '*', matchLabels: {team: a}}]", True),
        ("[{kind: HelmRelease, name: '*', matchLabels: {team: b}}]", False),
        ("[{kind: HelmRelease, name: x}, {kind: HelmRelease, name: shop, namespace: ci}]", True),
    ],
)
def test_an_alert_is_about_the_same_objects_as_before(
    file: Path, sources: str, hears: bool
) -> None:
    look = release_look()
    assert (look.subject.kind, look.subject.name) == ("HelmRelease", "shop")
    there = ALERT.replace("namespace: ci", f"namespace: {look.subject.namespace}")
    sources = sources.replace("namespace: ci", f"namespace: {look.subject.namespace}")
    result = rig.moved(file, f"{there}  eventSources: {sources}\n")
    heard = told(result, look, {"team": "a"}, file)
    assert (heard.audience.providers != ()) == hears
    assert heard.failures == ()


@pytest.mark.parametrize(
    ("more", "expression"),
    [
        ("inclusionList: ['a.b']", 'run.message.matches("a.b")'),
        (r"""inclusionList: ['\d+ "x"']""", r'run.message.matches("\\d+ \"x\"")'),
        ("exclusionList: ['(?=a)']", None),
        ("inclusionList: ['(a{1000}){1000}']", None),
    ],
)
def test_regular_expressions(file: Path, more: str, expression: str | None) -> None:
    sources = "  eventSources: [{kind: HelmRelease, name: '*'}]\n"
    result = rig.moved(file, f"{ALERT}{sources}  {more}\n")
    found = rig.spec(result, "Notification ci/a")["filter"].get("expression")
    assert found == (expression and f"({expression})")
    assert expression or any("not a regular expression of ours" in one for one in rig.said(result))


@pytest.mark.parametrize("type_", ["slack", "generic", "githubdispatch", "new-one", ""])
def test_an_alert_of_another_provider_stays_with_flux(file: Path, type_: str) -> None:
    sources = "  eventSources: [{kind: HelmRelease, name: '*'}]\n"
    result = rig.moved(file, ALERT.replace("type: github", f"type: '{type_}'") + sources)
    assert rig.documents_of(result) == {}
    assert len(result.rows) == 2
    assert all(row.notes for row in result.rows)


def test_names_are_labels_and_collisions_are_numbered(file: Path) -> None:
    text = ALERT + "  eventSources: [{kind: HelmRelease, name: '*', namespace: x}]\n"
    one = text.partition("---\n")[2]
    names = ("a.b", "a-b", "a" * 90, "a" * 91)
    whole = text + "".join("---\n" + one.replace("name: a,", f"name: {name},") for name in names)
    found = [title for title in rig.documents_of(rig.moved(file, whole)) if "Notification" in title]
    assert found == [
        "ClusterNotification default",
        "ClusterNotification ci-a",
        "ClusterNotification ci-a-b",
        "ClusterNotification ci-a-b-2",
        f"ClusterNotification ci-{'a' * 60}",
        f"ClusterNotification ci-{'a' * 58}-2",
    ]


def test_a_pipeline_keeps_its_name_because_markers_say_it(file: Path) -> None:
    text = (rig.CASES / "pipeline_controller.yaml").read_text(encoding="utf-8")
    assert "Pipeline apps/shop.web" in rig.documents_of(rig.moved(file, text))


@pytest.mark.parametrize("type_", ["gitlab", "bitbucket-server"])
def test_pull_requests_elsewhere_are_not_opened(file: Path, type_: str) -> None:
    text = (rig.CASES / "pipeline_controller.yaml").read_text(encoding="utf-8")
    result = rig.moved(file, text.replace("type: github", f"type: {type_}"))
    assert rig.documents_of(result) == {}
    assert any("on a GitHub only" in note for note in rig.said(result))
