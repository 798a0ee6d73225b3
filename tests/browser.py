"A headless Chromium, spoken to through its own pipe (DevTools protocol): no driver, no port, no further package."
import base64, fcntl, itertools, json, os, select, shutil, subprocess, tempfile, time
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
FLAGS = ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-component-update',
         '--disable-extensions', '--disable-sync', '--remote-debugging-pipe')
KEYS = {'Escape': 27, 'ArrowLeft': 37, 'ArrowRight': 39}

def find() -> str | None:
    "Path of a Chromium, or None."
    return next((p for n in NAMES if (p := shutil.which(n))), None)

class Browser:
    "One page. `open` a file, `js` an expression; console errors, exceptions and requests are kept in `errors` and `requests`."
    def __init__(self):
        (theirs_in, self.out), (self.inp, theirs_out) = os.pipe(), os.pipe()
        def hand_over(): os.dup2(moved[0], 3); os.dup2(moved[1], 4)             # the protocol's two file numbers
        moved = [fcntl.fcntl(f, fcntl.F_DUPFD, 10) for f in (theirs_in, theirs_out)]   # out of the way of 3 and 4
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen([find(), *FLAGS, f'--user-data-dir={self.home.name}', 'about:blank'], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        close_fds=False, preexec_fn=hand_over)
        for f in {theirs_in, theirs_out, *moved}: os.close(f)
        self.number, self.buffer, self.session, self.errors, self.requests, self.loaded = itertools.count(1), b'', None, [], [], False
        target = next(t for t in self('Target.getTargets')['targetInfos'] if t['type'] == 'page')
        self.session = self('Target.attachToTarget', targetId=target['targetId'], flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'): self(f'{domain}.enable')

    def __call__(self, method: str, wait_s: float = 60, **params) -> dict:
        "One command of the protocol and its answer."
        n = next(self.number)
        message = {'id': n, 'method': method, 'params': params} | ({'sessionId': self.session} if self.session else {})
        os.write(self.out, json.dumps(message).encode() + b'\0')
        while (m := self._next(wait_s)).get('id') != n: pass
        if 'error' in m: raise RuntimeError(f'{method}: {m["error"]["message"]}')
        return m['result']

    def _next(self, wait_s: float) -> dict:
        "The next message; events are noted on the way."
        until = time.monotonic() + wait_s
        while b'\0' not in self.buffer:
            if not select.select([self.inp], [], [], max(until - time.monotonic(), 0))[0]: raise TimeoutError(f'the browser was silent for {wait_s:.0f} s')
            if not (more := os.read(self.inp, 1 << 20)): raise RuntimeError('the browser has gone')
            self.buffer += more
        raw, _, self.buffer = self.buffer.partition(b'\0')
        self._note(m := json.loads(raw))
        return m

    def _note(self, m: dict):
        p = m.get('params', {})
        match m.get('method'):
            case 'Page.loadEventFired': self.loaded = True
            case 'Network.requestWillBeSent': self.requests.append(p['request']['url'][:200])
            case 'Runtime.exceptionThrown': self.errors.append(p['exceptionDetails'].get('exception', {}).get('description', p['exceptionDetails']['text']))
            case 'Runtime.consoleAPICalled' if p['type'] in ('error', 'warning', 'assert'): self.errors.append(str(p['args']))
            case 'Log.entryAdded' if p['entry']['level'] in ('error', 'warning'): self.errors.append(p['entry']['text'])

    def open(self, page: Path, width: int = 1280, height: int = 900, hash: str = '', dark: bool = False) -> float:
        "Load a file in a window of this size; seconds until the page said that it was ready."
        self('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self('Page.navigate', url='about:blank')
        self.errors, self.requests, self.loaded, start = [], [], False, time.monotonic()
        self('Page.navigate', url=Path(page).resolve().as_uri() + hash)
        while not (self.loaded and self.js('document.readyState') == 'complete'): self._next(60)
        return time.monotonic() - start

    def js(self, expression: str):
        "Value of an expression on the page; a promise is waited for."
        r = self('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in r: raise RuntimeError(r['exceptionDetails'].get('exception', {}).get('description', expression))
        return r['result'].get('value')

    def press(self, key: str):
        "A key as a user would press it, such as ArrowRight."
        for kind in ('rawKeyDown', 'keyUp'): self('Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def click(self, selector: str):
        "A click with the mouse in the middle of an element."
        x, y = self.js(f'(e => {{ e.scrollIntoView({{block: "center", behavior: "instant"}}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({json.dumps(selector)}))')
        for kind in ('mousePressed', 'mouseReleased'): self('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def picture(self, to: Path, whole: bool = False):
        "A screenshot, of the window or of the whole page."
        Path(to).write_bytes(base64.b64decode(self('Page.captureScreenshot', captureBeyondViewport=whole)['data']))

    def asked(self) -> list[str]:
        "Requests beyond the page itself that left it: all but what it carries in itself."
        return [u for u in self.requests[1:] if not u.startswith(('data:', 'blob:'))]

    def close(self):
        try: self('Browser.close', wait_s=5)
        except (OSError, RuntimeError, TimeoutError): self.process.kill()
        self.process.wait(20); os.close(self.out); os.close(self.inp); self.home.cleanup()

    def __enter__(self): return self
    def __exit__(self, *_): self.close()
