"""What can be set, asked, counted or granted is named in the docs, and what is named exists."""

import re
from pathlib import Path

import pytest

from ghapp import app_manifest, discovery
from ghapp.cli import checkrail
from ghapp.core.model import Verb
from ghapp.documents import config
from ghapp.documents.kinds import provider_types
from ghapp.metrics import metrics_table
from ghapp.settings import VARIABLES
from tests import documents_page, examples, generated, reference

ROOT = Path(__file__).parent.parent
DOCUMENTS = ROOT / "docs" / "documents.md"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = README + (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        *(variable.name for variable in VARIABLES),
        *(metric[0] for metric in metrics_table()),
        *(command for command, _ in reference.commands(checkrail, "checkrail")),
        *(annotation for annotation, _ in reference.annotations()),
        *(adapter.resource.id for adapter in discovery.adapters()),
        *app_manifest.permissions(discovery.sinks()),
    ],
)
def test_it_is_named_in_the_documentation(name: str) -> None:
    assert name in DOCS


def test_generated_files_are_fresh() -> None:
    assert generated.stale() == []


def test_examples_are_valid_and_there_is_one_of_each_type(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    documents = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "examples.yaml").write_text("---\n".join(documents))
    found = config.load(tmp_path).providers
    assert {one.type for one in found} | {"github"} == set(provider_types())


def test_links_lead_somewhere() -> None:
    pages = (
        "README.md",
        "AGENTS.md",
        "docs/operations.md",
        "docs/documents.md",
        "docs/providers.md",
    )
    for page in (ROOT / name for name in pages):
        for target in re.findall(r"\]\(([^)#:{]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_in_the_readme_exist() -> None:
    known = {words.strip("`") for words, _ in reference.commands(checkrail, "checkrail")}
    for words in re.findall(r"`(checkrail [a-z ]+?)(?: [A-Z-][^`]*)?`", README):
        assert any(command.startswith(words.strip()) for command in known), words


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets


def test_settings_in_the_readme_exist() -> None:
    known = {variable.name for variable in VARIABLES}
    assert set(re.findall(r"CHECKRAIL_[A-Z_]+", README)) <= known


def test_every_table_of_the_documents_page_is_there() -> None:
    page = DOCUMENTS.read_text(encoding="utf-8")
    assert re.findall(r"<!-- generated: (\S+) -->\n\|?", page)
    assert {*re.findall(r"<!-- generated: (\S+) -->", page)} == documents_page.BLOCKS.keys()


def test_every_example_is_on_the_documents_page() -> None:
    page = DOCUMENTS.read_text(encoding="utf-8")
    assert {*re.findall(r"\(\.\./manifests/examples/(\S+\.yaml)\)", page)} == {*examples.FILES}


def test_every_reason_of_a_status_is_explained() -> None:
    page = DOCUMENTS.read_text(encoding="utf-8")
    source = (ROOT / "ghapp" / "engine" / "statuses.py").read_text(encoding="utf-8")
    reasons = set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)*)"', source)) - NO_REASONS
    assert len(reasons) > 5
    assert reasons - set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set()


NO_REASONS = {"True", "False", "Event", "Warning", "Trusted"}
"""Other words of Kubernetes in capitals."""


def test_buttons_are_described() -> None:
    for verb in (Verb.RERUN, Verb.CANCEL, Verb.RECONCILE, Verb.PROMOTE):
        assert verb.value in README.lower().replace("re-run", "rerun")
