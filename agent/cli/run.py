"""`callout-agent run`: the daemon in the foreground, as systemd starts it.

Owns the process: event loop, signals, journal and the way out. The first SIGTERM or SIGINT ends it cleanly, a second at once. Buttons come
first: what `agent.daemon` brings along is imported in a thread, once they are felt.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import faulthandler
import fcntl
import importlib
import logging
import logging.handlers
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent import aside, autopsy
from agent.cli import talk
from agent.config import Config, ConfigError, Problem, keep_good_copy, load_or_last_good
from agent.first import First, Rest
from agent.journal import Repeats
from agent.lookup import LookupLoop
from agent.notify import Supervisor
from agent.starts import LONG_LIFE_S, Starts

HELP = "run the daemon"
LINES_WAITING = 1_000
LAST_LINES_S = 1.0
UNUSABLE_S, LOOK_S = 300.0, 1.0
NOT_LOADED_S = 10.0  # before what could not even be loaded, and could not last time, is tried once more
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4  # linux/prctl.h
_LAST = logging.LogRecord("", 0, "", 0, "", None, None)
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--debug", action="store_true", help="log more; still no code, ever")


def run(args: argparse.Namespace) -> int:
    """Until stopped. Exit 0 after a clean end, 1 when the config allows no start, 70 after a defect."""
    finish_log = listen_to_logs(debug=args.debug)
    faulthandler.enable()  # the watchdog ends a loop that does not turn by SIGABRT: then every thread says where it stood
    keep_to_ourselves()
    with contextlib.suppress(OSError, ValueError):  # the unit's filter of calls forbids limits, and has set this one (LimitCORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a safe code lives in memory only; a core dump would write it down
    path = Path(args.config)
    copy = last_good_path(path)
    try:
        config, problems = load_or_last_good(path, copy)
    except ConfigError as error:
        talk.complain(f"{path} cannot be used, and no last good copy of it:\n{error}", "callout-agent check names every problem")
        wait_for_another(path)
        return 1
    lock = alone(Path(config.control.socket).parent)
    if lock is None:
        talk.complain("another daemon runs on this device", "callout-agent status; systemctl status callout-agent")
        return 1
    code = _live(config, problems, copy, Starts(Path(config.control.socket).parent / "presses", time.monotonic))
    finish_log()
    os._exit(code)  # a worker thread on a hung disk or look-up would block a normal exit


def wait_for_another(config: Path) -> None:
    """Where systemd would start us again at once, and for ever: until there is another file, or a while has passed.

    Without it a device that nobody can start writes 25,000 lines an hour into its journal. Who tries a file for the first time is told
    of it at once, and by hand nothing is waited for.
    """
    before, runtime = _mark(config), os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]  # set by systemd
    if not runtime:
        return
    known = Path(runtime) / ".unusable"
    try:
        tried = known.exists() and known.read_text() == str(before)
        known.write_text(str(before))
    except (OSError, ValueError):
        return
    if not tried:
        return
    Supervisor().waiting(UNUSABLE_S + LOOK_S * 10, f"NOT ARMED: {config} cannot be used; `callout-agent check` says why")
    end_at = time.monotonic() + UNUSABLE_S
    while _mark(config) == before and time.monotonic() < end_at:
        time.sleep(LOOK_S)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What is another when the file is."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


def alone(directory: Path) -> int | None:
    """A lock that the kernel lets go with the process: two daemons would stream and raise twice. None: someone holds it.

    Where no lock can be made (a full or missing runtime directory) the daemon runs all the same: -1.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def keep_to_ourselves() -> None:
    """What this process may beyond others (set the clock, where its unit says so) the owner's hooks may not."""
    ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # no such thing on an old kernel: nothing to clear


def last_good_path(config: Path) -> Path:
    """Where the last good copy is. Not where the config says: it is for the day when the config cannot be read."""
    state = os.environ.get("STATE_DIRECTORY")  # set by systemd for StateDirectory=
    if state:
        return Path(state.partition(":")[0]) / f"{config.name}.last-good"
    return config.with_name(f".{config.name}.last-good")


def _live(config: Config, problems: tuple[Problem, ...], copy: Path, starts: Starts) -> int:
    crashes, loaded = starts.begin(), False

    async def live() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.set_exception_handler(forgotten)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _end, stop)
        first = First(config, crashes)
        loop.call_later(LONG_LIFE_S, starts.over)

        async def bring() -> Rest:
            nonlocal loaded
            if not problems:
                _keep_copy(config, copy)
            await aside.start(_import_rest(config, careful=crashes is not None), name="imports", parted=False)
            from agent.daemon import Daemon  # noqa: PLC0415 - see the module's docstring

            daemon = Daemon(first, stop, problems=problems)
            loaded = True
            return daemon

        await first.run(bring)

    try:
        with asyncio.Runner(loop_factory=LookupLoop) as runner:
            runner.run(live())
    except BaseException as error:  # noqa: BLE001 - whatever it was: say it, end, and let systemd start us again, which is recovery
        _mourn(error, starts, again=not loaded and crashes is not None and crashes.last == autopsy.brief(error))
        return 70
    starts.over()
    return 0


def _mourn(error: BaseException, starts: Starts, *, again: bool) -> None:
    """Say what ends the process. again: neither this start nor the one before could load the alarm path, for the same reason."""
    log, brief = logging.getLogger("callout-agent"), autopsy.brief(error)
    log.critical("the daemon ends on a defect; its restart recovers: %s", brief if again else autopsy.whole(error))
    log.debug("with its text", exc_info=error)
    starts.died(brief)
    Supervisor().status(f"NOT ARMED, CALL FOR HELP ANOTHER WAY: the daemon ended on {brief}")
    if again:
        time.sleep(NOT_LOADED_S)  # each second for months it would wear the card out


def _import_rest(config: Config, *, careful: bool) -> Callable[[], None]:
    def load() -> None:
        importlib.import_module("agent.daemon").load(config, careful=careful)

    return load


def _keep_copy(config: Config, copy: Path) -> None:
    """Beside the daemon: a hung disk must not hold up its start."""

    def say(keeping: asyncio.Future[bool]) -> None:
        if not keeping.cancelled() and (keeping.exception() is not None or not keeping.result()):
            logging.getLogger("callout-agent").warning("no last good copy of the config can be kept at %s", copy)

    aside.start(lambda: keep_good_copy(config, copy), name="good copy").add_done_callback(say)


def _end(stop: asyncio.Event) -> None:
    """The first signal asks, the second does not."""
    if stop.is_set():
        os._exit(1)
    logging.getLogger("callout-agent").info("asked to end")
    stop.set()


def listen_to_logs(*, debug: bool) -> Callable[[], None]:
    """To stderr, from a thread; with the journal's priorities where stderr is the journal. What is returned waits for the last lines.

    A journal that hangs must not hold up a raise: beyond LINES_WAITING lines the newest are lost.
    """
    writer = logging.StreamHandler()
    writer.setFormatter(_Journal() if "JOURNAL_STREAM" in os.environ else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(LINES_WAITING)
    handler = _Aside(lines)
    handler.addFilter(Repeats(time.monotonic))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True)
    done = threading.Event()

    def write() -> None:
        while True:
            record = lines.get()
            if record is _LAST:
                done.set()
                return
            writer.handle(record)

    threading.Thread(target=write, name="log", daemon=True).start()
    threading.excepthook, sys.unraisablehook = _thread_failed, _never_raised
    for chatty in ("httpx", "httpcore", "asyncio", "apscheduler"):  # they log addresses and ids at info
        logging.getLogger(chatty).setLevel(logging.WARNING)

    def finish() -> None:
        with contextlib.suppress(queue.Full):
            lines.put(_LAST, timeout=LAST_LINES_S)
            done.wait(LAST_LINES_S)

    return finish


def forgotten(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio met in nobody's name. Its own words hold the arguments of a callback, which may be a position (law 11)."""
    error, words = context.get("exception"), str(context.get("message", "")).partition("(")[0].split(" <")[0].strip()
    logging.getLogger("callout-agent").error("asyncio: %s: %s", words, autopsy.brief(error) if error is not None else "no exception")


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        logging.getLogger("callout-agent").error("a thread ended: %s", autopsy.whole(failed.exc_value))


def _never_raised(met: sys.UnraisableHookArgs) -> None:
    if met.exc_value is not None:
        logging.getLogger("callout-agent").error("nobody could be told: %s", autopsy.whole(met.exc_value))


class _Aside(logging.handlers.QueueHandler):
    """Waits for nobody. What an exception says is for debug: it may hold a position or a token (law 11)."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        if record.exc_info and record.exc_info[1] is not None and logging.getLogger().level > logging.DEBUG:
            record.msg = f"{record.getMessage()}: {autopsy.whole(record.exc_info[1])}"
            record.args = record.exc_info = record.exc_text = None
        return record  # it stays in this process: the writer formats it

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class _Journal(logging.Formatter):
    """`<6>text`: the journal reads the number as the priority."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "\n".join(f"<{PRIORITIES.get(record.levelno, 6)}>{line}" for line in text.splitlines())
