"""Reports that tools write for machines, SARIF and JUnit, as findings and counts.

A report comes from a run's result or workspace: anybody who can change the code can write it. It is
a report within our limits, or a `ReportError` says why not; nothing else comes out of here.
"""

from ghapp.core.reports._report import ReportError
from ghapp.core.reports.junit import JUnitReport, read_junit
from ghapp.core.reports.sarif import SarifReport, read_sarif

__all__ = ["JUnitReport", "ReportError", "SarifReport", "read_junit", "read_sarif"]
