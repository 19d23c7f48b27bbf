"""The demo as a process of its own, as a visitor starts it: for browser, kubectl and signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

START_SECONDS = 30.0
STOP_SECONDS = 10.0


@dataclass(slots=True)
class Demo:
    """A running demo."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    """Its standard output, line by line."""
    _ready: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return next(line.rpartition(" ")[2] for line in self.said if line.startswith("The demo"))

    def said_after(self, start: str) -> str:
        """The rest of the first line that begins so."""
        lines = (line.strip() for line in self.said)
        return next(line.removeprefix(start) for line in lines if line.startswith(start))

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        assert self._ready.wait(START_SECONDS), "the demo did not start"
        assert self.process.poll() is None, f"the demo ended: {self.said}"

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        with urlopen(f"{self.url}/demo/state", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def until(
        self, holds: Callable[[dict[str, Any]], Any], what: str, seconds: float = 20.0
    ) -> Any:
        """What `holds` finds in the state, as soon as it finds something."""
        limit = time.monotonic() + seconds
        state: dict[str, Any] = {}
        with urlopen(f"{self.url}/demo/stream", timeout=seconds) as stream:
            for line in stream:
                if line.startswith(b"data: "):
                    state |= json.loads(line.removeprefix(b"data: "))
                    if found := holds(state):
                        return found
                if time.monotonic() > limit:
                    break
        raise AssertionError(f"not within {seconds} s: {what}")

    def stop(self) -> float:
        """Ctrl-C; answers how many seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(STOP_SECONDS)
        return time.monotonic() - begun


@contextlib.contextmanager
def running(*arguments: str, speed: float = 10, temporary: Path | None = None) -> Iterator[Demo]:
    """A demo on a free port; whatever happens, it is gone afterwards."""
    command = [sys.executable, "-m", "ghapp.demo", "--port", "0", "--speed", str(speed)]
    environ = {**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})}
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        demo = Demo(process)
        reader = threading.Thread(target=demo.read, daemon=True)
        reader.start()
        try:
            demo.wait_until_ready()
            yield demo
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join(STOP_SECONDS)


def checks(state: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(commit, check) of all that the page shows, newest commit first."""
    for sha in state["commits"]:
        commit = state[f"commit:{sha}"]
        for check in commit["checks"]:
            yield commit, check


def environment(state: dict[str, Any], name: str) -> dict[str, Any]:
    """What runs in an environment."""
    found: dict[str, Any] = next(one for one in state["environments"] if one["name"] == name)
    return found
