"""``python -m ghapp.demo``: the demo with the knobs that tests and screenshots need."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from ghapp import log
from ghapp.demo.run import run_demo
from ghapp.errors import CheckrailError


def main() -> int:
    """0 when it was ended, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="python -m ghapp.demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--speed", type=float, default=1.0, help="10: ten times as fast")
    parser.add_argument("--github-socket", type=Path)
    chosen = parser.parse_args()
    log.setup("warning", "text")
    try:
        asyncio.run(_until_told(chosen))
    except CheckrailError as error:
        sys.stderr.write(f"checkrail: {error}\n")
        return 1
    return 0


async def _until_told(chosen: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await run_demo(
            host=chosen.host,
            port=chosen.port,
            speed=chosen.speed,
            github_socket=chosen.github_socket,
            ready=_say,
        )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
