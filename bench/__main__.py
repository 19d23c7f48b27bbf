"""Measures every budget of the architecture on this machine: `make bench`, or `python -m bench`.

Each measurement runs in a process of its own, one after the other, and is stopped when it takes too
long; all of them together take about three minutes. The table goes to the terminal and to
`bench/RESULTS.md`.
"""

import os
import platform
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench._table import AS_JSON, Row, table

MEASUREMENTS: Final = (
    "commits", "webhooks", "latency", "requests", "memory", "start", "store", "watch",
)  # fmt: skip
RESULTS: Final = Path(__file__).parent / "RESULTS.md"
LIMIT: Final = 90.0
"""Seconds for one measurement."""
IN_ALL: Final = 235.0
"""Seconds; what has not begun by then is not measured."""


def main() -> int:
    """0: all were measured, whatever came of it; 1: one of them failed."""
    if sys.platform != "linux":
        print("bench: binds a process to a core and reads /proc; run it on Linux", file=sys.stderr)
        return 1
    before, end = os.getloadavg()[0], time.monotonic() + IN_ALL
    found = {name: _measured(name, end - time.monotonic()) for name in MEASUREMENTS}
    rows = [row for rows in found.values() for row in rows]
    text = _results(rows, before)
    print(text)
    RESULTS.write_text(text, encoding="utf-8")
    return 0 if all(found.values()) else 1


def _measured(name: str, left: float) -> list[Row]:
    """The rows of a measurement; none if it failed, and then it said why."""
    limit = min(LIMIT, left)
    if limit <= 0:
        print(f"bench.{name}: no time is left for it", file=sys.stderr)
        return []
    print(f"bench.{name} ...", file=sys.stderr, flush=True)
    command = (sys.executable, "-m", f"bench.{name}", AS_JSON)
    # A group of its own, so that whatever it started ends with it.
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            told, _ = process.communicate(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            print(f"bench.{name}: stopped after {limit:.0f} s", file=sys.stderr)
            return []
    if process.returncode:
        print(f"bench.{name}: failed", file=sys.stderr)
        return []
    return msgspec.json.decode(told.splitlines()[-1], type=list[Row])


def _results(rows: list[Row], load: float) -> str:
    promised = [row for row in rows if row.met is not None]
    others = [row for row in rows if row.met is None]
    return "\n".join(
        [
            "# What was measured",
            "",
            _machine(load),
            "Where there were several tries, the one in the middle (and all of them between).",
            "",
            table(promised),
            "",
            "Good to know; nothing was promised:",
            "",
            table(others),
            "",
        ]
    )


def _machine(load: float) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"Measured on {now} by `make bench`: {_processor()}, {os.cpu_count()} cores,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}; the load before it was {load:.1f}."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


if __name__ == "__main__":
    sys.exit(main())
