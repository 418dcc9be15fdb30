"""A headless Chromium that a test looks at a page with, driven over a pipe by its DevTools protocol."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time

SECONDS = 60


def find():
    """The path of Chromium, or None."""
    return shutil.which("chromium") or shutil.which("google-chrome")


class Browser:
    """One page. What it said of errors is in problems."""

    def __init__(self, folder, *arguments):
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (command_end, answer_end)]

        def place():  # it reads descriptor 3 and writes 4
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._program = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={folder}", *arguments,
             "about:blank"], preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for end in (command_end, answer_end, *high):
            os.close(end)
        self._number, self._octets, self._session, self._loaded = 0, b"", None, False
        self.problems = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self._session = None
        try:
            self.call("Browser.close")
        except (OSError, EOFError):
            pass
        self._program.wait(SECONDS)
        os.close(self._commands)
        os.close(self._answers)

    def _read(self):
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._octets:
            if not select.select([self._answers], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            octets = os.read(self._answers, 1 << 20)
            if not octets:
                raise EOFError("the browser has ended")
            self._octets += octets
        one, _, self._octets = self._octets.partition(b"\0")
        answer = json.loads(one)
        self._loaded |= answer.get("method") == "Page.loadEventFired"
        if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.problems.append(answer["params"])
        return answer

    def call(self, method, **parameters):
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            pass
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def open(self, address):
        self._loaded = False
        self.call("Page.navigate", url=address)
        while not self._loaded:
            self._read()

    def look(self, width, dark=False, script=True):
        """As wide as that, from now on."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1,
                  mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def ask(self, expression):
        """What a JavaScript expression gives there."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")
