"""The tables of `docs/documents.md`, made from the code; what is between them is written there."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from ghapp import cel, templates
from ghapp.core import rule
from ghapp.documents import crds, texts
from ghapp.documents.kinds import kinds
from ghapp.templates import Mode
from tests.reference import table

PAGE: Final = Path(__file__).parent.parent / "docs" / "documents.md"

_BLOCK: Final = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def render() -> str:
    """The page with its tables as the code has them now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_block(found[2])}\n{found[3]}", PAGE.read_text())


def _block(name: str) -> str:
    return BLOCKS[name]()


def _kinds() -> str:
    return table(
        ("kind", "short", "of", "is"),
        (
            (
                f"`{kind.name}`",
                ", ".join(f"`{short}`" for short in kind.short),
                "a namespace" if kind.namespaced else "the cluster",
                kind.description,
            )
            for kind in kinds().values()
        ),
    )


def _spec(kind: str) -> str:
    (root,) = (one for one in crds.manifests() if one["spec"]["names"]["kind"] == kind)
    schema = root["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    rows = list(_fields(schema["properties"]["spec"], ""))
    return table(("field of `spec`", "is", "means"), rows)


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        here = f"{path}{name}"
        must = ", required" if name in required else ""
        yield f"`{here}`", f"{_type(one)}{must}", _text(one["description"])
        yield from _fields(one, f"{here}.")
        yield from _fields(one.get("items", {}), f"{here}[].")


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema["type"] == "array":
        inside = _type(schema["items"])
        return f"list of {inside}, at most {schema['maxItems']}"
    if schema["type"] == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    names = {"string": "text", "boolean": "true or false"}
    return names.get(schema["type"], "map" if "additionalProperties" in schema else "object")


def _text(sentence: str) -> str:
    return sentence.replace("<", "&lt;")


def _run() -> str:
    return table(("field", "means"), ((f"`run.{n}`", why) for n, why in rule.documented()))


def _variables() -> str:
    return table(("name", "means"), ((f"`{n}`", why) for n, why in rule.VARIABLES.items()))


_SPELLED: Final = {
    "_?_:_": "`a ? b : c`",
    "@in": "`in`",
    "_[_]": "`a[b]`",
    "-_": "`-a`",
    "!_": "`!a`",
}


def _functions() -> str:
    """What is written between operands, then what is called."""
    names = [name for name in cel.FUNCTIONS if not name.startswith("@not")]
    operators = [_SPELLED.get(name, f"`{name.strip('_')}`") for name in names if not name.isalpha()]
    calls = [f"`{name}`" for name in (*cel.MACROS, *names) if name.isalpha()]
    return table(
        ("there is", ""),
        (("operators", " ".join(dict.fromkeys(operators))), ("functions", " ".join(calls))),
    )


_MODES: Final = {
    Mode.MARKDOWN: "Markdown; values are escaped",
    Mode.PLAIN: "plain text on one line",
    Mode.URL: "a URL; values are percent-encoded",
}


def _texts() -> str:
    return table(
        ("text", "is", "at most"),
        (
            (f"`{_camel(name)}`", _MODES[mode], f"{limit:,} bytes")
            for name, (mode, limit) in texts.TEXTS.items()
        ),
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _given() -> str:
    return table(("name", "means"), ((f"`{n}`", why) for n, why in templates.GIVEN.items()))


def _filters() -> str:
    return table(("filter", "means"), ((f"`{n}`", why) for n, why in templates.FILTERS.items()))


def _tests() -> str:
    return "Tests: " + ", ".join(f"`{name}`" for name in sorted(templates.TESTS)) + "."


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "kinds": _kinds,
    "provider": partial(_spec, "Provider"),
    "notification": partial(_spec, "ClusterNotification"),
    "trust": partial(_spec, "TrustPolicy"),
    "pipeline": partial(_spec, "Pipeline"),
    "run": _run,
    "variables": _variables,
    "functions": _functions,
    "texts": _texts,
    "given": _given,
    "filters": _filters,
    "tests": _tests,
}
"""Name in the page -> what stands there."""
