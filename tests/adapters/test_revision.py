"""Which commit a run is about: each family of annotations, their order, and what is no claim."""

from typing import Any

import msgspec
import pytest

from adapters._read.meta import Annotations, Labels
from adapters._read.revision import Named, pull_request_number, revision, trace
from ghapp.core.model import Repository, Revision

SHA = "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"
SHOP = Repository(host="github.com", owner="acme", name="shop")
PAC = {
    "pipelinesascode.tekton.dev/sha": SHA,
    "pipelinesascode.tekton.dev/repo-url": "https://github.com/acme/shop",
    "pipelinesascode.tekton.dev/source-branch": "feature/cart",
    "pipelinesascode.tekton.dev/pull-request": "42",
}
OURS = {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": SHA}
FEEDBACK = {
    "pipelinesfeedback.keskad.pl/https-repo-url": "https://github.com/acme/shop.git",
    "pipelinesfeedback.keskad.pl/commit": SHA,
    "pipelinesfeedback.keskad.pl/ref": "refs/heads/main",
    "pipelinesfeedback.keskad.pl/pr-id": "7",
}
INTEGRATION = {
    "integrations.tekton.ornew.io/github-owner": "acme",
    "integrations.tekton.ornew.io/github-repo": "shop",
    "integrations.tekton.ornew.io/github-sha": SHA,
}
NOTIFIER = {
    "github.integrations.tekton.dev/owner": "acme",
    "github.integrations.tekton.dev/repo": "shop",
    "github.integrations.tekton.dev/commit": SHA,
}
TRACKER = {
    "tekton.dev/git-status": "true",
    "tekton.dev/git-repo": "https://github.com/acme/shop",
    "tekton.dev/git-revision": SHA,
}


def claim(
    annotations: dict[str, str],
    params: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
) -> Revision | None:
    return revision(
        msgspec.convert(annotations, Annotations),
        msgspec.convert(labels or {}, Labels),
        [Named(name=name, value=value) for name, value in (params or {}).items()],
        [Named(name=name, value=value) for name, value in (results or {}).items()],
    )


@pytest.mark.parametrize(
    ("annotations", "rule", "ref", "pull_request"),
    [
        (OURS, "checkrail.dev", "", None),
        (
            {**OURS, "checkrail.dev/ref": "refs/heads/x", "checkrail.dev/pull-request": "#9"},
            "checkrail.dev",
            "refs/heads/x",
            9,
        ),
        (PAC, "pipelinesascode.tekton.dev", "feature/cart", 42),
        (TRACKER, "tekton.dev/git-status", "", None),
        (NOTIFIER, "github.integrations.tekton.dev", "", None),
        (FEEDBACK, "pipelinesfeedback.keskad.pl", "refs/heads/main", 7),
        (INTEGRATION, "integrations.tekton.ornew.io", "", None),
    ],
)
def test_each_family_names_the_commit(
    annotations: dict[str, str], rule: str, ref: str, pull_request: int | None
) -> None:
    expected = Revision(repository=SHOP, commit=SHA, ref=ref, pull_request=pull_request, rule=rule)
    assert claim(annotations) == expected


def test_families_are_asked_in_their_order() -> None:
    families = [OURS, PAC, TRACKER, NOTIFIER, FEEDBACK, INTEGRATION]
    for at, first in enumerate(families):
        everything = {key: text for family in families[at:] for key, text in family.items()}
        alone, together = claim(first), claim(everything)
        assert alone is not None
        assert together is not None
        assert together.rule == alone.rule


def test_what_pipelines_as_code_reports_itself_has_no_check_of_ours() -> None:
    reported = {**PAC, **FEEDBACK, "pipelinesascode.tekton.dev/check-run-id": "39417305518"}
    assert claim(reported) is None


def test_our_own_annotations_ask_for_a_check_even_then() -> None:
    found = claim({**PAC, **OURS, "pipelinesascode.tekton.dev/check-run-id": "1"})
    assert found is not None
    assert found.rule == "checkrail.dev"


@pytest.mark.parametrize("commit", ["", "8f4b1c2", "main", SHA[:-1], SHA + "0", "g" * 40])
def test_a_commit_that_is_cut_short_leaves_it_to_the_next_family(commit: str) -> None:
    found = claim({**OURS, "checkrail.dev/commit": commit, **INTEGRATION})
    assert found is not None
    assert found.rule == "integrations.tekton.ornew.io"


def test_a_commit_is_told_in_lower_case() -> None:
    found = claim({**OURS, "checkrail.dev/commit": SHA.upper()})
    assert found is not None
    assert found.commit == SHA


@pytest.mark.parametrize("wish", ["", "false", "yes"])
def test_the_status_tracker_has_to_be_asked(wish: str) -> None:
    assert claim({**TRACKER, "tekton.dev/git-status": wish}) is None


def test_the_status_tracker_reads_the_git_parameters() -> None:
    params = {"repo-url": "https://github.com/acme/shop", "revision": SHA}
    found = claim({"tekton.dev/git-status": "true"}, params)
    assert found == Revision(repository=SHOP, commit=SHA, rule="tekton.dev/git-status")
    assert claim({}, params) is None


def test_a_label_can_switch_pipelines_feedback_off() -> None:
    label = "pipelinesfeedback.keskad.pl/enabled"
    assert claim(FEEDBACK, labels={label: " True "}) is not None
    assert claim(FEEDBACK, labels={label: "false"}) is None


HINTS = {"CHAINS-GIT_URL": "https://github.com/acme/shop", "CHAINS-GIT_COMMIT": SHA}
INPUTS = {
    "base-ARTIFACT_INPUTS": {"uri": "pkg:oci/golang", "digest": "sha256:" + "0" * 64},
    "src-ARTIFACT_INPUTS": {
        "uri": "git+https://github.com/acme/shop.git",
        "digest": f"sha1:{SHA}",
    },
}


@pytest.mark.parametrize("hints", [HINTS, INPUTS], ids=["type hints", "artifact inputs"])
def test_chains_hints_count_as_parameters_and_as_results(hints: dict[str, Any]) -> None:
    expected = Revision(repository=SHOP, commit=SHA, rule="chains.tekton.dev")
    assert claim({}, params=hints) == expected
    assert claim({}, results=hints) == expected


@pytest.mark.parametrize("value", [None, 1, ["a"], {"uri": 1}, {"uri": "x", "digest": []}])
def test_hints_of_another_shape_are_no_claim(value: object) -> None:
    names = ("CHAINS-GIT_URL", "CHAINS-GIT_COMMIT", "ARTIFACT_INPUTS")
    assert claim({}, dict.fromkeys(names, value)) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("#42", 42),
        (" 42 ", 42),
        ("refs/pull/42/head", 42),
        ("https://github.com/acme/shop/pull/42", 42),
        ("https://github.com/acme/shop/pull/42/files", 42),
        ("", None),
        ("0", None),
        ("none", None),
        ("9" * 30, None),
    ],
)
def test_a_pull_request_number_is_read_leniently(text: str, number: int | None) -> None:
    assert pull_request_number(text) == number


# --- what explain says --------------------------------------------------------------------------

ORDER = [
    "checkrail.dev",
    "pipelinesascode.tekton.dev",
    "tekton.dev/git-status",
    "github.integrations.tekton.dev",
    "pipelinesfeedback.keskad.pl",
    "integrations.tekton.ornew.io",
    "chains.tekton.dev",
]


def asked(
    annotations: dict[str, str],
    params: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
) -> dict[str, tuple[bool, str]]:
    found = trace(
        msgspec.convert(annotations, Annotations),
        msgspec.convert(labels or {}, Labels),
        [Named(name=name, value=value) for name, value in (params or {}).items()],
    )
    return {one.rule: (one.matched, one.why) for one in found}


def test_every_rule_is_asked_in_the_documented_order_until_one_matches() -> None:
    assert list(asked({})) == ORDER
    assert list(asked(FEEDBACK)) == ORDER[:5]
    assert asked(FEEDBACK)["pipelinesfeedback.keskad.pl"] == (
        True,
        f"github.com/acme/shop at {SHA}",
    )
    assert not any(matched for matched, _ in asked({}).values())


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ({}, "it says nothing"),
        ({"checkrail.dev/commit": SHA}, "no repository is named"),
        ({"checkrail.dev/repository": "acme/shop"}, "no commit is named"),
        (
            {**OURS, "checkrail.dev/commit": "main"},
            "'main' is no full commit id of 40 or 64 hex digits",
        ),
        (
            {**OURS, "checkrail.dev/repository": "https://u:s3cret@"},
            "what it names as the repository is none",
        ),
    ],
)
def test_a_rule_that_does_not_match_says_why(notes: dict[str, str], why: str) -> None:
    assert asked(notes)["checkrail.dev"] == (False, why)


def test_no_trace_shows_what_may_be_a_secret() -> None:
    url = "https://x-access-token:ghs_s3cret@github.com/acme/shop"
    for notes in (
        {"checkrail.dev/repository": url, "checkrail.dev/commit": SHA},
        {"checkrail.dev/repository": url + " x", "checkrail.dev/commit": SHA},
        {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": url},
    ):
        assert "s3cret" not in str(asked(notes))


def test_what_is_reported_elsewhere_or_is_about_no_commit_asks_no_further() -> None:
    reported = asked({**PAC, "pipelinesascode.tekton.dev/check-run-id": "1"})
    assert list(reported) == ORDER[:2]
    assert reported[ORDER[1]] == (False, "Pipelines-as-Code reports this run itself")
    technical = {**FEEDBACK, "pipelinesfeedback.keskad.pl/technical-job": "backup"}
    assert list(asked(technical)) == ["checkrail.dev", "pipelinesfeedback.keskad.pl"]
    assert claim(technical) is None


def test_a_technical_job_that_we_are_told_of_has_its_check() -> None:
    found = claim({**OURS, "pipelinesfeedback.keskad.pl/technical-job": "backup"})
    assert found is not None
    assert found.rule == "checkrail.dev"
