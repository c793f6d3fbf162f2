"""A headless Chromium, driven over its DevTools pipe, with real input events and real time."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
if os.name == "nt":
    BROWSER = None  # the pipe's descriptors are inherited on POSIX only
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# It reads from descriptor 3 and writes to 4.
_LAUNCH = """
import os, sys
commands, answers, *command = sys.argv[1:]
os.dup2(int(commands), 3)
os.dup2(int(answers), 4)
os.execv(command[0], command)
"""
_SECONDS = 60.0


class Chromium:
    """One page in a browser of its own; what it logs and asks for is kept."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900) -> None:
        assert BROWSER is not None
        self.messages: list[str] = []
        """On the console: errors, warnings and policy violations."""
        self.requests: list[str] = []
        """Addresses of all requests, data URIs included."""
        self._numbers = itertools.count(1)
        self._buffer = b""
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        flags = (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}")
        command = [BROWSER, *flags, "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(commands), str(answers), *command],
            pass_fds=(commands, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        phone = {"deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, **phone)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._from, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        content, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(content)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event: str | None, content: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.messages.append(str(content["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            self.messages.append(str(content["args"]))
        elif event == "Log.entryAdded":
            self.messages.append(str(content["entry"]))
        elif event == "Network.requestWillBeSent":
            self.requests.append(content["request"]["url"])

    def emulate(self, **media: str) -> None:
        """Media features, such as `color_scheme="dark"`."""
        features = [
            {"name": f"prefers-{k.replace('_', '-')}", "value": v} for k, v in media.items()
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, page: Path) -> None:
        """Load a file, up to its load event."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of an expression, which may be a promise, in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + _SECONDS
        while not self.run(f"Boolean({script})"):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """`Moved`, `Pressed`, `Released` or `Wheel` at a place of the window."""
        button = {"button": "left", "clickCount": 1} if kind in ("Pressed", "Released") else {}
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **button, **more)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a place of the window."""
        self.mouse("Moved", x, y)
        self.mouse("Pressed", x, y)
        self.mouse("Released", x, y)

    def drag(self, *places: tuple[float, float], **more: Any) -> None:
        """Press the mouse at the first place, and move it to the last one."""
        self.mouse("Moved", *places[0])
        self.mouse("Pressed", *places[0], **more)
        for place in places[1:]:
            self.mouse("Moved", *place, buttons=1, **more)
        self.mouse("Released", *places[-1], **more)

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        """`Start`, `Move` or `End` of fingers at these places of the window."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)

    def key(self, name: str) -> None:
        """Press and release a key, such as `ArrowRight` or `+`."""
        text = {"text": name} if len(name) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)

    def screenshot(self, path: Path) -> None:
        """The window as a PNG file."""
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
