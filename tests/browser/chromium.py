"""A headless Chromium driven over its debugging pipe: the DevTools protocol without a websocket library.

Starts and ends the browser; knows nothing of the page under test. Everything waits with a deadline.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

WAIT_S = 20.0


def find() -> str | None:
    """The installed browser, None without one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One browser with one page."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="control-room-")
        commands, self._out = os.pipe()
        self._in, replies = os.pipe()
        self._child = _start(self._profile, commands, replies)
        os.close(commands)
        os.close(replies)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command to the page; its result."""
        return self._ask(method, params, self._session)

    def open(self, url: str, width: int, height: int) -> None:
        """Show a page in a window of this size (CSS px)."""
        self.size(width, height)
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def size(self, width: int, height: int) -> None:
        """Change the window's size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true; the page itself looks at every frame."""
        wait = f"""new Promise((done) => {{
            const end = performance.now() + {WAIT_S * 500};
            const look = () => {{
                let found = null;
                try {{ found = ({expression}); }} catch (error) {{ found = null; }}
                if (found || performance.now() > end) done(found instanceof Node ? true : found); else setTimeout(look, 20);
            }};
            look(); }})"""
        found = self.value(wait)
        assert found, f"never true: {expression}"
        return found

    def press(self, key: str, code: int) -> None:
        """One key on the keyboard."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {"key": key, "windowsVirtualKeyCode": code, "code": key}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _ask(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + WAIT_S
        while True:
            message = self._read(end)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            chunk = os.read(self._in, 1 << 20)
            assert chunk, "the browser has gone"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


def _start(profile: str, commands: int, replies: int) -> subprocess.Popen[bytes]:
    """The browser reads commands on fd 3 and answers on fd 4; a shell puts the pipes there."""
    flags = "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --ignore-certificate-errors"
    line = f'exec "{find()}" {flags} --user-data-dir="{profile}" 3<&{commands} 4>&{replies}'
    return subprocess.Popen(["bash", "-c", line], pass_fds=(commands, replies), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
