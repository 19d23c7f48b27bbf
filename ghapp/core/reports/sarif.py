"""SARIF 2.1.0: what analysers found, each result at its first location.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; the numbers in brackets below are
its sections. Only the fields that are read are decoded, and strictly.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ghapp.core.annotations import Finding, Level, Place
from ghapp.core.model import Value
from ghapp.core.reports._report import FINDINGS_LIMIT, ReportError, bounded, named


class SarifReport(Value, frozen=True, kw_only=True):
    """What analysers found."""

    findings: tuple[Finding, ...]
    tools: tuple[str, ...]
    total: int
    """Results that count, with a place or without, kept or not."""

    @property
    def summary(self) -> str:
        """``3 results of ruff, gosec``."""
        of = f" of {', '.join(filter(None, self.tools))}" if any(self.tools) else ""
        return f"{self.total:,} result{'' if self.total == 1 else 's'}{of}"


# --- SARIF: the fields that we read -------------------------------------------------------------


class _Text(msgspec.Struct):
    text: str | None = None
    markdown: str | None = None
    id: str | None = None
    arguments: list[str] = []


class _Artifact(msgspec.Struct, rename="camel"):
    uri: str | None = None
    uri_base_id: str | None = None
    index: int | None = None


class _Located(msgspec.Struct):
    location: _Artifact | None = None


class _Region(msgspec.Struct, rename="camel"):
    start_line: int | None = None
    end_line: int | None = None
    start_column: int | None = None
    end_column: int | None = None


class _Physical(msgspec.Struct, rename="camel"):
    artifact_location: _Artifact | None = None
    region: _Region | None = None


class _Location(msgspec.Struct, rename="camel"):
    physical_location: _Physical | None = None


class _Configuration(msgspec.Struct):
    level: str | None = None


class _Rule(msgspec.Struct, rename="camel"):
    id: str | None = None
    short_description: _Text | None = None
    default_configuration: _Configuration | None = None
    message_strings: dict[str, _Text] = {}


class _RuleRef(msgspec.Struct):
    id: str | None = None
    index: int | None = None


class _Suppression(msgspec.Struct):
    status: str = "accepted"


class _Result(msgspec.Struct, rename="camel"):
    message: _Text | None = None
    rule_id: str | None = None
    rule_index: int | None = None
    rule: _RuleRef | None = None
    level: str | None = None
    kind: str = "fail"
    locations: list[_Location] = []
    suppressions: list[_Suppression] | None = None
    baseline_state: str | None = None


class _Driver(msgspec.Struct):
    name: str = ""
    rules: list[_Rule] = []


class _Tool(msgspec.Struct):
    driver: _Driver


class _Run(msgspec.Struct, rename="camel"):
    tool: _Tool
    results: list[_Result] | None = None
    artifacts: list[_Located] = []
    original_uri_base_ids: dict[str, _Artifact] = {}


class _Log(msgspec.Struct):
    version: str
    runs: list[_Run] | None


_SARIF: Final = msgspec.json.Decoder(_Log)
_LEVELS: Final[Mapping[str, Level]] = {
    "error": Level.FAILURE,
    "warning": Level.WARNING,
    "note": Level.NOTICE,
    "none": Level.NOTICE,
}
_KINDS: Final = {"fail": None, "review": Level.NOTICE, "open": Level.NOTICE}
"""The other kinds, pass, notApplicable and informational, are no problems."""


def read_sarif(raw: bytes) -> SarifReport:
    """The results of every run in a SARIF log."""
    try:
        log = _SARIF.decode(bounded(raw).removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ReportError(f"this is not SARIF: {error}") from error
    if not log.version.startswith("2.1."):
        raise ReportError(f"SARIF {named(log.version)} is not read, only 2.1.0")
    runs = log.runs or []
    counting = [(run, result) for run in runs for result in run.results or [] if _counts(result)]
    found = [_finding(run, result) for run, result in counting[:FINDINGS_LIMIT]]
    return SarifReport(
        findings=tuple(finding for finding in found if finding.places),
        tools=tuple(dict.fromkeys(run.tool.driver.name for run in runs)),
        total=len(counting),
    )


def _counts(result: _Result) -> bool:
    suppressed = any(one.status == "accepted" for one in result.suppressions or [])
    return result.kind in _KINDS and not suppressed and result.baseline_state != "absent"


def _finding(run: _Run, result: _Result) -> Finding:
    rule = _rule(run, result)
    configured = rule.default_configuration.level if rule.default_configuration else None
    level = _LEVELS.get(result.level or configured or "warning", Level.WARNING)
    about = rule.short_description.text if rule.short_description else ""
    name = result.rule_id or rule.id or run.tool.driver.name
    return Finding(
        places=tuple(place for spot in result.locations[:1] for place in _spots(run, spot)),
        level=_KINDS[result.kind] or level,
        message=_message(result, rule),
        title=f"{name}: {about}" if about and about != name else name,
    )


def _rule(run: _Run, result: _Result) -> _Rule:
    """By index, else by id; `ruleId` may be a rule's id and more behind a slash (3.27.5)."""
    rules = run.tool.driver.rules
    reference = result.rule or _RuleRef()
    index = result.rule_index if result.rule_index is not None else reference.index
    if index is not None and 0 <= index < len(rules):
        return rules[index]
    name = result.rule_id or reference.id
    return next((rule for rule in rules if name and rule.id == name), _Rule(id=name))


def _message(result: _Result, rule: _Rule) -> str:
    message = result.message or _Text()
    stored = rule.message_strings.get(message.id or "") or _Text()
    template = message.text or stored.text or message.markdown or ""

    def argument(match: re.Match[str]) -> str:
        number = int(match[1])
        return message.arguments[number] if number < len(message.arguments) else match[0]

    return re.sub(r"\{([0-9]{1,3})\}", argument, template) if message.arguments else template


def _spots(run: _Run, location: _Location) -> Iterator[Place]:
    """Below its base where that is a known folder, and as it stands: a base is mostly the top."""
    physical = location.physical_location or _Physical()
    artifact = _artifact(run, physical.artifact_location)
    if not artifact.uri:
        return
    region = physical.region or _Region()
    end = region.end_column
    place = Place(
        path=artifact.uri,
        line=region.start_line or 1,
        end_line=region.end_line,
        column=region.start_column,
        # SARIF names the column behind the last character (3.30.8).
        end_column=end - 1 if end and end > (region.start_column or 1) else end,
    )
    base = _base(run, artifact.uri_base_id)
    if base:
        yield msgspec.structs.replace(place, path=f"{base.rstrip('/')}/{_path(artifact.uri)}")
    yield msgspec.structs.replace(place, path=_path(artifact.uri))


def _artifact(run: _Run, location: _Artifact | None) -> _Artifact:
    """An artifact may be given as an index into the run's list (3.4.5)."""
    found = location or _Artifact()
    if not found.uri and found.index is not None and 0 <= found.index < len(run.artifacts):
        return run.artifacts[found.index].location or found
    return found


def _base(run: _Run, name: str | None) -> str:
    """A base's folder; a base may have a base (3.14.14)."""
    base = ""
    for _ in range(5):
        known = run.original_uri_base_ids.get(name or "")
        if not known or not known.uri:
            break
        base = _path(known.uri).rstrip("/") + "/" + base
        name = known.uri_base_id
    return base


def _path(uri: str) -> str:
    """A URI reference as a path; `annotations.relative` takes file: URLs itself."""
    return uri if uri.startswith("file:") else _unquoted(uri)


def _unquoted(uri: str) -> str:
    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", _decoded, uri)


def _decoded(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "replace")
