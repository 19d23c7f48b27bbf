"""discovery: one file in a folder is a plug-in, and a wrong file is named.

That each adapter and sink that there is works is tested beside it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghapp import discovery
from ghapp.errors import CheckrailError

SOURCE = '''
from msgspec import Struct

from ghapp.core.source import Adapter, Resource


class Workflow(Struct):
    """Reads nothing."""


ADAPTER = Adapter(
    name={name!r},
    resource=Resource("argoproj.io", "v1alpha1", {plural!r}, "Workflow"),
    reads=Workflow,
    observe=lambda workflow, context: None,
)
'''

SINK = """
from msgspec import Struct

from ghapp.ports import SinkType

SINK = SinkType({name!r}, Struct, Struct)
"""


TOOL = """
from ghapp.core.source import Resource
from ghapp.migrate._tool import Page, Tool

TOOL = Tool(
    name={name!r},
    resources=(Resource("old.example", "v1", {plural!r}, "Config"),),
    move=lambda source, around: (),
    fields={{}},
    page=Page(about="", better=(), missing=()),
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty package of plug-ins, importable as `plugged`."""
    package = tmp_path / "plugged"
    package.mkdir()
    (package / "__init__.py").touch()
    sys.path.insert(0, str(tmp_path))
    yield package
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "plugged"]:
        del sys.modules[name]


def source(name: str, plural: str = "workflows") -> str:
    return SOURCE.format(name=name, plural=plural)


def test_adding_one_file_adds_a_source(folder: Path) -> None:
    assert discovery.adapters("plugged") == ()
    (folder / "argo_workflow.py").write_text(source("argo-workflow"))
    assert [adapter.name for adapter in discovery.adapters("plugged")] == ["argo-workflow"]


def test_adding_one_file_adds_a_sink(folder: Path) -> None:
    (folder / "matrix.py").write_text(SINK.format(name="matrix"))
    assert [sink.name for sink in discovery.sinks("plugged")] == ["matrix"]


def test_the_order_is_that_of_the_files(folder: Path) -> None:
    for name in ("b", "c", "a"):
        (folder / f"{name}.py").write_text(source(f"source-{name}", plural=name))
    names = [adapter.name for adapter in discovery.adapters("plugged")]
    assert names == ["source-a", "source-b", "source-c"]


def test_what_plugins_share_is_not_a_plugin(folder: Path) -> None:
    (folder / "_read.py").write_text("raise RuntimeError('not looked at')")
    assert discovery.adapters("plugged") == ()


def test_a_file_without_a_plugin_is_named(folder: Path) -> None:
    (folder / "half.py").write_text("")
    with pytest.raises(CheckrailError, match=r"half\.py: expected ADAPTER = .* found nothing"):
        discovery.adapters("plugged")


def test_a_plugin_of_the_wrong_type_is_named(folder: Path) -> None:
    (folder / "odd.py").write_text("SINK = 5")
    with pytest.raises(CheckrailError, match=r"odd\.py: expected SINK = SinkType.* found int"):
        discovery.sinks("plugged")


def test_a_file_that_cannot_be_imported_is_named_with_its_reason(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_library")
    with pytest.raises(CheckrailError, match=r"plugged\.broken .* No module named 'no_such_lib"):
        discovery.adapters("plugged")


def test_two_sources_of_one_name_are_refused(folder: Path) -> None:
    (folder / "one.py").write_text(source("same", plural="ones"))
    (folder / "two.py").write_text(source("same", plural="twos"))
    with pytest.raises(CheckrailError, match="two plug-ins have the name 'same'"):
        discovery.adapters("plugged")


def test_two_sources_of_one_resource_are_refused(folder: Path) -> None:
    (folder / "one.py").write_text(source("one"))
    (folder / "two.py").write_text(source("two"))
    with pytest.raises(CheckrailError, match=r"the resource 'argoproj\.io/v1alpha1/workflows'"):
        discovery.adapters("plugged")


def test_the_product_has_its_sources_and_sinks() -> None:
    sources = {adapter.name for adapter in discovery.adapters()}
    assert {"tekton-pipelinerun", "job", "flux-helmrelease"} <= sources
    assert {"github-check", "cdevents"} <= {sink.name for sink in discovery.sinks()}


def test_adding_one_file_adds_a_tool_to_move_over_from(folder: Path) -> None:
    (folder / "old.py").write_text(TOOL.format(name="old", plural="configs"))
    assert [tool.name for tool in discovery.tools("plugged")] == ["old"]


def test_two_tools_cannot_read_the_same_objects(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(TOOL.format(name=name, plural="configs"))
    with pytest.raises(CheckrailError, match="two plug-ins have the resource"):
        discovery.tools("plugged")
