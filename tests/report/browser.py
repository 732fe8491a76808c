"""A headless Chromium, driven by its DevTools protocol over two pipes: no port, no websocket, nothing
but the standard library.

    with Browser() as b:
        page = b.open("/path/report.html", width=1280)
        page.value("document.title")
        page.errors   # console errors, exceptions, blocked requests: should stay empty
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 60


def program():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="cupel-browser-")
        # Chromium reads commands from descriptor 3 and writes to 4.
        read_end, self.to = os.pipe()
        self.from_, write_end = os.pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []

        def descriptors():
            a, b = os.dup(read_end), os.dup(write_end)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program(), "--headless=new", "--remote-debugging-pipe", "--disable-gpu",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             "--hide-scrollbars", "--user-data-dir=" + self.home, *sandbox, "about:blank"],
            preexec_fn=descriptors, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, HOME=self.home))
        os.close(read_end)
        os.close(write_end)
        self.buffer, self.last, self.pages = b"", 0, {}
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.from_)
        shutil.rmtree(self.home, True)

    def _message(self, end):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_], [], [], max(0, end - time.monotonic()))
            data = os.read(self.from_, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("the browser does not answer")
            self.buffer += data
        one, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(one)

    def call(self, method, session=None, **params):
        self.last += 1
        command = {"id": self.last, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        text = json.dumps(command).encode() + b"\0"
        while text:
            text = text[os.write(self.to, text):]
        end = time.monotonic() + TIMEOUT
        while True:
            m = self._message(end)
            if m.get("id") == self.last:
                if "error" in m:
                    raise RuntimeError("%s: %s" % (method, m["error"]["message"]))
                return m["result"]
            self._event(m)

    def _event(self, m):
        page = self.pages.get(m.get("sessionId"))
        if not page:
            return
        method, p = m.get("method"), m.get("params", {})
        if method == "Runtime.exceptionThrown":
            d = p["exceptionDetails"]
            page.errors.append(d.get("exception", {}).get("description") or d["text"])
        elif method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert"):
            page.errors.append(" ".join(str(a.get("value", a)) for a in p["args"]))
        elif method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            page.errors.append(p["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            page.requests.append(p["request"]["url"])
        elif method == "Network.loadingFailed":
            page.blocked.append(p.get("blockedReason"))
        elif method == "Page.javascriptDialogOpening":
            page.errors.append("a dialog opened: " + p["message"])
            self.last += 1
            os.write(self.to, json.dumps({"id": self.last, "method": "Page.handleJavaScriptDialog",
                                          "sessionId": m["sessionId"],
                                          "params": {"accept": False}}).encode() + b"\0")

    def open(self, path, width=1280, height=900, dark=False):
        return Page(self, path, width, height, dark)


class Page:
    def __init__(self, browser, path, width, height, dark):
        self.browser, self.errors, self.requests, self.blocked = browser, [], [], []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target,
                                    flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.size(width, height)
        self.scheme(dark)
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def size(self, width, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 500)

    def scheme(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def value(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                      awaitPromise=True)
        if "exceptionDetails" in r:
            d = r["exceptionDetails"]
            raise RuntimeError(d.get("exception", {}).get("description") or d["text"])
        return r["result"].get("value")

    def wait(self, expression, seconds=20):
        end = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > end:
                raise RuntimeError("never came true: %s; errors: %s" % (expression, self.errors))
            time.sleep(.05)

    def key(self, key, code=None):
        codes = {"Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                      windowsVirtualKeyCode=codes.get(key, 0), **(text if kind == "keyDown" else {}))

    def screenshot(self, path, area=None):
        """What is seen; or of the whole page an area (x, y, width, height)."""
        clip = {"clip": dict(zip(("x", "y", "width", "height", "scale"), (*area, 1))),
                "captureBeyondViewport": True} if area else {}
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png",
                                               **clip)["data"]))

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])
