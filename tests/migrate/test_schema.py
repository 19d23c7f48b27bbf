"""Every field that notification-controller's own CRDs have is spoken of.

The CRDs are read in place, where they are at hand.
"""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ghapp import moving
from ghapp.migrate._source import Source
from ghapp.migrate._tool import Options
from ghapp.moving import Found
from tests.migrate import rig

CRDS = Path(__file__).parents[3] / "shared/data/crds/flux"


@pytest.mark.parametrize(
    ("plural", "given"),
    [
        ("providers", {"type": "github"}),
        ("providers", {"type": "githubpullrequestcomment"}),
        ("providers", {"type": "slack"}),
        ("alerts", {"eventSeverity": "error"}),
        ("alerts", {"eventSeverity": "info"}),
    ],
)
def test_every_field_of_the_crd_is_spoken_of(plural: str, given: dict[str, Any]) -> None:
    if not CRDS.is_dir():
        pytest.skip("Flux' CRDs are not at hand")
    crd = YAML(typ="safe").load(CRDS / f"notification.toolkit.fluxcd.io_{plural}.yaml")["spec"]
    (version,) = crd["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    value = {
        "apiVersion": f"{crd['group']}/{version['name']}",
        "kind": crd["names"]["kind"],
        "metadata": {"name": "x", "namespace": "n"},
        "spec": {**_example(schema), **given},
    }
    source = Source(value=value, origin="x", namespace="n", name="x")
    result = moving.moved(Found(sources=(source,)), rig.TOOLS, Options())
    unknown = [one.about for one in rig.notes(result) if "has no counterpart" in one.text]
    assert unknown == []


def _example(schema: Any) -> Any:
    """A value with every field in it."""
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {name: _example(one) for name, one in schema["properties"].items()}
        case "object":
            return {"a": "b"}
        case "array":
            return [_example(schema["items"])]
        case "boolean":
            return True
        case _:
            return schema.get("enum", ["x"])[-1]
