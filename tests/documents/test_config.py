"""config, documents, shape: what people write, read or refused with its place, all at once.

What a Pipeline means is tested with core.pipeline; that `checkrail validate` prints this, with the
command line.
"""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from ghapp.core.pipeline import Pipeline, PipelineSpec
from ghapp.documents import config, reading, rules, shape
from ghapp.errors import ConfigError

SHOP = """\
apiVersion: checkrail.dev/v1alpha1
kind: Pipeline
metadata: {name: shop, namespace: apps}
spec:
  appRef: {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: shop}
  environments:
    - name: dev
      targets: [{namespace: dev}]
    - name: staging
      targets: [{namespace: staging}]
  promotion:
    manual: true
    strategy:
      pull-request: {type: github, url: https://github.com/acme/gitops, baseBranch: main}
"""


def mistakes(path: Path) -> list[str]:
    """What is said of a file or folder, without the way to it."""
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    folder = path if path.is_dir() else path.parent
    return [line.removeprefix(f"{folder}/") for line in caught.value.mistakes]


def wrong(tmp_path: Path, text: str) -> list[str]:
    """What is said of a document."""
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    return mistakes(path)


def changed(old: str, new: str) -> str:
    """SHOP with one change, which has to change something."""
    assert old in SHOP
    return SHOP.replace(old, new)


def test_no_configuration_is_an_empty_one() -> None:
    assert config.load(None) == config.Config(pipelines=())


def test_a_pipeline_is_read_into_a_value(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    (pipeline,) = config.load(tmp_path / "shop.yaml").pipelines
    assert isinstance(pipeline, Pipeline)
    assert pipeline.id == "apps:shop"
    assert [stop.name for stop in pipeline.spec.environments] == ["dev", "staging"]
    assert pipeline.spec.promotion is not None
    assert pipeline.spec.promotion.strategy.pull_request.baseBranch == "main"


def test_pipeline_controllers_own_documents_are_read_too(tmp_path: Path) -> None:
    text = changed("checkrail.dev/v1alpha1", "pipelines.weave.works/v1alpha1")
    (tmp_path / "shop.yaml").write_text(text)
    assert len(config.load(tmp_path).pipelines) == 1


def test_a_folder_is_read_by_name_and_documents_in_their_order(tmp_path: Path) -> None:
    def named(name: str) -> str:
        return SHOP.replace("name: shop, namespace", f"name: {name}, namespace")

    (tmp_path / "b.yml").write_text(named("third"))
    (tmp_path / "a.yaml").write_text(f"# a comment\n---\n{named('first')}---\n{named('second')}")
    (tmp_path / "notes.txt").write_text("not read")
    (tmp_path / ".hidden.yaml").write_text("[not read")
    loaded = config.load(tmp_path).pipelines
    assert [pipeline.name for pipeline in loaded] == ["first", "second", "third"]


def test_a_mounted_configmap_is_read_once(tmp_path: Path) -> None:
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    (data / "shop.yaml").write_text(SHOP)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "shop.yaml").symlink_to("..data/shop.yaml")
    assert len(config.load(tmp_path).pipelines) == 1


def test_several_paths_are_one_configuration(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SHOP)
    with pytest.raises(
        ConfigError, match=r"b\.yaml:3:12: .* another Pipeline already: .*a\.yaml:3:12"
    ):
        config.load(tmp_path / "a.yaml", tmp_path / "b.yaml")


def test_every_mistake_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
apiVersion: checkrail.dev/v1alpha1
kind: Pipeline
metadata: {name: shop, namespace: apps}
spec:
  appRef: {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, nam: shop}
  environments:
    - name: Dev!
      targets: []
    - name: 5
      targets: [{namespace: staging, clusterRef: {name: x}}]
  promotion:
    manual: false
    strategy:
      pull-request: {type: gitlab, url: https://github.com/acme}
---
kind: Pipelin
---
[not closed
"""
    assert wrong(tmp_path, text) == [
        (
            "shop.yaml:5:3: Pipeline apps/shop: spec.appRef.name: is missing: name of the object, "
            "the same in every environment"
        ),
        "shop.yaml:5:70: Pipeline apps/shop: spec.appRef.nam: unknown field; did you mean name?",
        (
            "shop.yaml:7:7: Pipeline apps/shop: spec.environments[0].name: expected a name of "
            "lower-case letters, digits, '-' and '.', found 'Dev!'"
        ),
        (
            "shop.yaml:8:7: Pipeline apps/shop: spec.environments[0].targets: expected at least 1 "
            "of them"
        ),
        (
            "shop.yaml:9:7: Pipeline apps/shop: spec.environments[1].name: expected text, found 5; "
            'quote it: "5"'
        ),
        (
            "shop.yaml:10:38: Pipeline apps/shop: spec.environments[1].targets[0].clusterRef: "
            "unknown field; targets are in the cluster that checkrail runs in; remove it"
        ),
        (
            "shop.yaml:12:5: Pipeline apps/shop: spec.promotion.manual: false: checkrail promotes "
            "when somebody asks for it (a button on the check), not by itself; write manual: true"
        ),
        (
            "shop.yaml:14:7: Pipeline apps/shop: spec.promotion.strategy.pull-request.baseBranch: "
            "is missing: branch that the pull request goes to"
        ),
        (
            "shop.yaml:14:22: Pipeline apps/shop: spec.promotion.strategy.pull-request.type: "
            "expected github, found 'gitlab'"
        ),
        (
            "shop.yaml:14:36: Pipeline apps/shop: spec.promotion.strategy.pull-request.url: "
            "'https://github.com/acme' names no repository; expected https://HOST/OWNER/NAME"
        ),
        "shop.yaml:16:1: Pipelin: kind: 'Pipelin' is unknown; did you mean Pipeline?",
        (
            "shop.yaml:19:1: is not YAML: while parsing a flow sequence, expected ',' or ']', but "
            "got '<stream end>'"
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("checkrail.dev/v1alpha1", "checkrail.dev/v1", "1:1: Pipeline apps/shop: apiVersion: exp"),
        ("apiVersion: checkrail.dev/v1alpha1\n", "", "apiVersion: is missing"),
        ("kind: Pipeline\n", "", "1:1: kind: is missing; there are"),
        ("kind: Pipeline\n", "kind: Secret\n", "kind: 'Secret' is unknown; there are"),
        ("kind: Pipeline\n", "kind: [Pipeline]\n", "kind: a list is unknown"),
        (", namespace: apps", "", "3:1: Pipeline shop: metadata.namespace: is missing"),
        ("name: shop, namespace: apps", "", "metadata.name: is missing"),
        ("metadata: {name: shop, namespace: apps}", "metadata: shop", "metadata: expected an obj"),
        ("spec:", "sepc:", "4:1: Pipeline apps/shop: sepc: unknown field; did you mean spec?"),
        (
            "name: staging\n",
            "name: dev\n",
            "9:7: Pipeline apps/shop: spec.environments[1].name: is",
        ),
        (
            "{namespace: staging}",
            "{namespace: dev}",
            "10:18: Pipeline apps/shop: spec.environments[1].targets[0].namespace: dev is a target",
        ),
        (
            "    manual: true\n",
            "    manual: true\n    manual: true\n",
            (
                "12:5: Pipeline apps/shop: spec.promotion.manual: is given twice, first on line "
                "12, again on line 13; remove one"
            ),
        ),
        ("manual: true", "manual: yes", "promotion.manual: expected true or false, found 'yes'"),
        ("manual: true", "manual: 0x1_", "promotion.manual: expected true or false"),
        ("baseBranch: main", "baseBranch: ''", "pull-request.baseBranch: is empty"),
        ("baseBranch: main", "baseBranch: a b", "expected the name of a branch, found 'a b'"),
        ("https://github.com/acme/gitops", "https://u:p@github.com/a/b", "a URL without cred"),
        ("https://github.com/acme/gitops", "'https://[x/a/b'", "names no repository"),
        ("pull-request: {", "notification: {}\n      pull-request: {", "the strategy is pull-req"),
        ("baseBranch: main", "baseBranch: main, secretRef: {name: x}", "writes as its GitHub App"),
        ("name: staging\n", f"name: {'a' * 300}\n", "has 300 characters; at most 253"),
        ("targets: [{namespace: dev}]", "targets: dev", "targets: expected a list, found 'dev'"),
        ("  promotion:\n    manual: true", "  promotion: []\n  x:\n    y: true", "promotion: exp"),
    ],
)
def test_a_mistake_is_named_where_it_is(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = wrong(tmp_path, changed(old, new))
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{}", "6:1: Provider apps/x: spec.type: is missing: what kind of place it is"),
        ("{type: smtp}", "spec.type: expected cdevents or github"),
        ("{type: cdevents}", "spec.cdevents: is missing; the type cdevents needs url"),
        (
            "{type: cdevents, cdevents: {url: bus}}",
            (
                "6:35: Provider apps/x: spec.cdevents.url: expected a URL without credentials, "
                "such as https://broker.example.com/events, found 'bus'"
            ),
        ),
        ("{type: cdevents, cdevents: {}}", "spec.cdevents.url: is missing: URL of the receiver"),
    ],
)
def test_a_mistake_says_what_to_write(tmp_path: Path, spec: str, said: str) -> None:
    head = "apiVersion: checkrail.dev/v1alpha1\nkind: Provider\nmetadata:\n  name: x\n"
    found = wrong(tmp_path, f"{head}  namespace: apps\nspec: {spec}\n")
    assert any(said in line for line in found), found


def test_a_promotion_has_to_be_described_somewhere(tmp_path: Path) -> None:
    head, _, _ = SHOP.partition("  promotion:")
    (line,) = wrong(tmp_path, head)
    assert "spec.promotion: is missing, here and in every environment" in line


def test_an_environment_may_have_its_own_promotion(tmp_path: Path) -> None:
    head, promotion, tail = SHOP.partition("  promotion:")
    own = "".join(f"    {line}\n" for line in (promotion + tail).splitlines())
    (tmp_path / "shop.yaml").write_text(head + own)
    (pipeline,) = config.load(tmp_path).pipelines
    assert pipeline.spec.environments[1].promotion is not None


def test_what_pipeline_controller_would_do_by_itself_is_not_done_in_silence(tmp_path: Path) -> None:
    text = changed("checkrail.dev/v1alpha1", rules.WEAVE).replace("    manual: true\n", "")
    (line,) = wrong(tmp_path, text)
    assert "shop.yaml:11:3: " in line
    assert "spec.promotion.manual: false (the default of pipelines.weave.works/v1alpha1)" in line


@pytest.mark.parametrize("text", ["- a", "5", "text"])
def test_a_document_is_an_object(tmp_path: Path, text: str) -> None:
    (line,) = wrong(tmp_path, text)
    assert line.startswith("shop.yaml:1:1: expected an object with apiVersion and kind, found ")


def test_a_second_pipeline_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (line,) = wrong(tmp_path, f"{SHOP}---\n{SHOP}")
    assert line.startswith("shop.yaml:18:12: Pipeline apps/shop: metadata.name: is the name of")
    assert line.endswith("shop.yaml:3:12")


def test_anchors_and_aliases_are_unfolded(tmp_path: Path) -> None:
    text = changed("name: dev\n", "name: &dev dev\n").replace("namespace: dev", "namespace: *dev")
    (tmp_path / "shop.yaml").write_text(text)
    (pipeline,) = config.load(tmp_path).pipelines
    assert pipeline.spec.environments[0].targets[0].namespace == "dev"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00k",
        b"a: \x00",
        b"a: b: c",
        b"\t- a",
        b"a: *nobody",
        b"&a [*a]",
        BOMB.encode(),
        b"[" * 5_000,
        b"{a: " * 200 + b"}" * 200,
        b"%YAML 9.9\n---\na: 1",
        b"a: !!python/object:os.system []",
        b"? [a]\n: b",
        b"a: 1" + b"0" * 5_000,
    ],
    ids=lambda content: str(content[:12]),
)
def test_whatever_is_in_the_file_it_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(content)
    for line in mistakes(path):
        assert line.startswith("shop.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: \xc3\xa4\xff", "shop.yaml:2:5: is not UTF-8 text"),
        (b"a: 1\n  b: 2\n", "shop.yaml:2:4: is not YAML"),
    ],
)
def test_what_cannot_be_read_is_told_to_the_character(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "shop.yaml").write_bytes(content)
    (line,) = mistakes(tmp_path)
    assert line.startswith(said)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_documents_or_a_mistake(content: bytes) -> None:
    file = reading.parse(content, "f")
    assert all(isinstance(one, reading.Document) for one in file.documents)
    assert all(line.startswith("f") for line in file.mistakes)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["appRef", "environments", "promotion", "name", "x"]), inner
            )
        ),
        max_leaves=8,
    )
)
def test_any_value_is_looked_through_to_its_end(value: object) -> None:
    found = list(shape.mistakes(value, inspect.type_info(PipelineSpec)))
    assert found, "no such value is a whole Pipeline"
    assert all(reading.dotted(mistake.steps) or str(mistake) for mistake in found)


def test_a_map_has_a_bound_too(tmp_path: Path) -> None:
    labels = "".join(f"        l{number}: x\n" for number in range(51))
    (line,) = wrong(
        tmp_path,
        "apiVersion: checkrail.dev/v1alpha1\nkind: ClusterNotification\nmetadata: {name: a}\n"
        f"spec:\n  filter:\n    labelSelector:\n      matchLabels:\n{labels}",
    )
    assert line == (
        "shop.yaml:7:7: ClusterNotification a: spec.filter.labelSelector.matchLabels: expected at "
        "most 50 of them, found 51"
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "no.yaml") == ["no.yaml: cannot be read: No such file or directory"]


def test_a_loop_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    assert [line.split(":")[1] for line in mistakes(tmp_path)] == [" cannot be read"] * 2


def test_a_folder_that_holds_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "again").symlink_to(".")
    assert len(config.load(tmp_path).pipelines) == 1


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    assert mistakes(tmp_path) == ["a.yaml: is not a file", "b.yaml: is not a file"]


def test_a_file_above_a_mebibyte_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (reading.LONGEST + 1))
    assert mistakes(tmp_path) == ["a.yaml: is longer than 1 MiB; split it into several files"]


# -- AccessPolicy ----------------------------------------------------------------------------------

ACCESS = """\
apiVersion: checkrail.dev/v1alpha1
kind: AccessPolicy
metadata: {name: production}
spec:
  repositories: [acme/*]
  environments: [prod*]
  rules:
    - actions: [promote, approve]
      permission: maintain
      teams: [acme/release]
      owners: [/deploy/]
      notAuthor: true
      approvals: 2
"""


def test_an_access_policy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(ACCESS)
    (policy,) = config.load(path).access
    (rule,) = policy.spec.rules
    assert (policy.name, policy.spec.environments) == ("production", ("prod*",))
    assert (rule.permission, rule.not_author, rule.approvals) == ("maintain", True, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[promote, approve]", "[deploy]", "actions[0]"),
        ("acme/release", "release", "a team, as ORGANISATION/SLUG"),
        ("/deploy/", "/deploy/*", "a path from the root"),
        ("[acme/*]", "[shop]", "'shop' names no owner; expected OWNER/NAME"),
        ("approvals: 2", "approvals: 0", "approvals"),
        ("notAuthor", "notTheAuthor", "notTheAuthor"),
        ("permission: maintain", "permission: owner", "permission"),
    ],
)
def test_a_mistake_in_an_access_policy_is_said(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in ACCESS
    assert said in "\n".join(wrong(tmp_path, ACCESS.replace(old, new)))


def test_more_approvals_than_people_are_a_mistake(tmp_path: Path) -> None:
    text = ACCESS.replace("permission: maintain", "users: [ann]")
    text = text.replace("      teams: [acme/release]\n      owners: [/deploy/]\n", "")
    assert "2 people are asked for, and 1 may" in wrong(tmp_path, text)[0]
