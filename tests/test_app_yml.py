"""app.yml: a manifest that GitHub takes, and that asks for what the code uses and nothing else.

That the file is what the code says is tested with the other generated files.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import Struct
from ruamel.yaml import YAML

from ghapp import app_manifest, discovery
from ghapp.core import webhook
from ghapp.errors import CheckrailError
from ghapp.ports import SinkType
from ghapp.setup.wish import wish

ROOT = Path(__file__).parent.parent
DESCRIPTIONS = ROOT.parent / "shared" / "data" / "github"

described = pytest.mark.skipif(
    not DESCRIPTIONS.exists(), reason="GitHub's API descriptions are not beside the checkout"
)

# https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
MANIFEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["url", "hook_attributes"],
    "properties": {
        "name": {"type": "string", "maxLength": 34},
        "url": {"type": "string", "format": "uri"},
        "hook_attributes": {
            "type": "object",
            "additionalProperties": False,
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "format": "uri"},
                "active": {"type": "boolean"},
            },
        },
        "redirect_url": {"type": "string", "format": "uri"},
        "callback_urls": {"type": "array", "maxItems": 10},
        "setup_url": {"type": "string", "format": "uri"},
        "description": {"type": "string"},
        "public": {"type": "boolean"},
        "default_events": {"type": "array", "items": {"type": "string"}},
        "default_permissions": {
            "type": "object",
            "additionalProperties": {"enum": ["read", "write", "admin"]},
        },
        "request_oauth_on_install": {"type": "boolean"},
        "setup_on_update": {"type": "boolean"},
    },
}

TEXT = (ROOT / "app.yml").read_text(encoding="utf-8")


def manifest() -> dict[str, Any]:
    """app.yml, without its comments."""
    loaded = YAML(typ="safe").load(TEXT)
    assert isinstance(loaded, dict)
    return loaded


def github(name: str, *keys: str) -> Any:
    """A piece of GitHub's own descriptions."""
    found = json.loads((DESCRIPTIONS / name).read_bytes())
    for key in keys:
        found = found[key]
    return found


def test_it_is_a_manifest() -> None:
    jsonschema.validate(
        manifest(), MANIFEST, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@described
def test_github_knows_each_permission_at_its_level() -> None:
    schema = github("openapi-slim.json", "components", "schemas", "app-permissions")
    asked = taken_in()["default_permissions"]
    assert asked.keys() <= schema["properties"].keys()
    jsonschema.validate(asked, schema)


@described
def test_github_lets_an_app_ask_for_each_event() -> None:
    suite = github("webhook-schemas-slim.json", "components", "schemas")
    app = suite["webhook-check-suite-requested"]["properties"]["check_suite"]["properties"]["app"]
    assert set(taken_in()["default_events"]) <= set(app["properties"]["events"]["items"]["enum"])


def test_each_permission_is_one_that_the_code_declares_and_none_is_missing() -> None:
    built_in = (sink.permissions for sink in discovery.sinks() if not sink.optional)
    declared = {
        permission.partition(":")[0]
        for source in (app_manifest.BASE, *built_in)
        for permission in source
    }
    asked = manifest()["default_permissions"]
    assert asked.keys() == declared
    assert asked["metadata"] == "read"
    assert {"checks", "contents", "pull_requests"} <= {
        n for n, lv in asked.items() if lv == "write"
    }


def test_every_event_that_is_understood_comes_asked_for_or_by_itself() -> None:
    events = set(manifest()["default_events"])
    known = {*webhook.INSTALLATION_EVENTS, webhook.COMMENT_EVENT, webhook.PULL_EVENT}
    assert {webhook.QUEUE_EVENT} == app_manifest.QUEUE_EVENTS.keys(), "a comment: taken in at will"
    assert events | app_manifest.UNLISTED == known
    assert manifest()["default_permissions"]["checks"] == "write", "brings check_run, check_suite"


def test_each_permission_and_event_says_why() -> None:
    found = manifest()
    for name in (*found["default_permissions"], *found["default_events"]):
        assert re.search(rf"^ +(- )?{name}(: \w+)? # \w.+$", TEXT, re.MULTILINE), name


def test_the_webhook_goes_to_the_endpoint_and_the_app_is_private() -> None:
    found = manifest()
    assert found["hook_attributes"]["url"] == f"{found['url']}/github/webhook"
    assert found["public"] is False


def taken_in() -> dict[str, Any]:
    """app.yml, with everything that stands in it as a comment."""
    taken = re.sub(r"^  # (\w+: \w+ # |- \w+ # )", r"  \1", TEXT, flags=re.MULTILINE)
    loaded = YAML(typ="safe").load(taken)
    assert isinstance(loaded, dict)
    return loaded


def test_what_not_everybody_needs_is_taken_in_by_removing_one_sign() -> None:
    asked = taken_in()
    assert asked["default_permissions"] == {
        **manifest()["default_permissions"],
        "deployments": "write",
        "statuses": "write",
        "merge_queues": "read",
    }
    assert asked["default_events"] == [*manifest()["default_events"], "merge_group"]


def test_setup_asks_for_merge_queues_where_github_knows_them() -> None:
    def asked(github: str) -> dict[str, Any]:
        wished = wish(
            github=github, api_url="", organization="acme", name="", webhook_url="", public=False
        )
        return wished.manifest("http://127.0.0.1:8765/")

    here, there = asked("https://github.com"), asked("https://github.acme.example")
    assert here["default_permissions"].pop("merge_queues") == "read"
    assert here["default_permissions"] == there["default_permissions"]
    assert set(here["default_events"]) - set(there["default_events"]) == {"merge_group"}


def sink(*, optional: bool = False, **permissions: str) -> SinkType:
    asked = {name.replace("__", ":"): reason for name, reason in permissions.items()}
    return SinkType(
        "matrix",
        Struct,
        Struct,  # type: ignore[arg-type]
        provider="matrix" if optional else "",
        permissions=asked,
        optional=optional,
    )


def test_what_everybody_asks_for_at_that_level_already_is_not_extra() -> None:
    built_in = sink(issues__write="tells", actions__read="reads")
    wanted = sink(optional=True, issues__read="listens", actions__write="writes")
    assert app_manifest.extra([built_in, wanted]) == {"actions": ("write", ["matrix: writes"])}


def test_two_sinks_that_need_the_same_share_its_highest_level_and_both_reasons() -> None:
    asked = app_manifest.permissions(
        [sink(statuses__write="tells"), sink(statuses__read="listens")]
    )
    assert asked["statuses"] == ("write", ["listens", "tells"])


def test_a_permission_without_a_level_is_refused() -> None:
    with pytest.raises(CheckrailError, match="'issues': expected NAME:read or NAME:write"):
        app_manifest.permissions([sink(issues="tells")])
