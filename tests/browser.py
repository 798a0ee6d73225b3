"A headless Chromium, spoken to through its own pipe (DevTools protocol): no driver and no port."
import base64, fcntl, itertools, json, os, select, shutil, subprocess, tempfile, time
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
FLAGS = (
    '--remote-debugging-pipe', '--headless=new', '--no-sandbox', '--no-first-run',
    '--hide-scrollbars',
    *(f'--disable-{x}' for x in ('gpu', 'dev-shm-usage', 'extensions', 'sync')),
    *(f'--disable-{x}' for x in ('background-networking', 'component-update')),
)
KEYS = {'Escape': 27, 'ArrowLeft': 37, 'ArrowRight': 39}

MIDDLE = """e => {
    e.scrollIntoView({block: "center", behavior: "instant"});
    const r = e.getBoundingClientRect();
    return [r.x + r.width / 2, r.y + r.height / 2];
}"""

def said(exception: dict) -> str:
    "What an exception on the page says of itself."
    return exception.get('exception', {}).get('description', exception['text'])

def find() -> str | None:
    "Path of a Chromium, or None."
    return next((p for n in NAMES if (p := shutil.which(n))), None)

class Browser:
    """One page. `open` a file, `js` an expression.
    Console errors and exceptions are kept in `errors`, requests in `requests`."""
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._start()
        self.number, self.buffer, self.session = itertools.count(1), b'', None
        self.errors, self.requests, self.loaded = [], [], False
        page = next(t for t in self('Target.getTargets')['targetInfos'] if t['type'] == 'page')
        attached = self('Target.attachToTarget', targetId=page['targetId'], flatten=True)
        self.session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'): self(f'{domain}.enable')

    def _start(self):
        "The browser's process, a pipe to it and a pipe from it."
        (theirs_in, self.out), (self.inp, theirs_out) = os.pipe(), os.pipe()
        # the protocol's two file numbers are 3 and 4, and the pipes may stand there now
        moved = [fcntl.fcntl(f, fcntl.F_DUPFD, 10) for f in (theirs_in, theirs_out)]
        def hand_over(): os.dup2(moved[0], 3); os.dup2(moved[1], 4)
        command = [find(), *FLAGS, f'--user-data-dir={self.home.name}', 'about:blank']
        silent = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.DEVNULL)
        self.process = subprocess.Popen(command, **silent, close_fds=False, preexec_fn=hand_over)
        for f in {theirs_in, theirs_out, *moved}: os.close(f)

    def __call__(self, method: str, wait_s: float = 60, **params) -> dict:
        "One command of the protocol and its answer."
        n = next(self.number)
        message = {'id': n, 'method': method, 'params': params}
        if self.session: message['sessionId'] = self.session
        os.write(self.out, json.dumps(message).encode() + b'\0')
        while (m := self._next(wait_s)).get('id') != n: pass
        if 'error' in m: raise RuntimeError(f'{method}: {m["error"]["message"]}')
        return m['result']

    def _next(self, wait_s: float) -> dict:
        "The next message; events are noted on the way."
        until = time.monotonic() + wait_s
        while b'\0' not in self.buffer:
            left_s = max(until - time.monotonic(), 0)
            if not select.select([self.inp], [], [], left_s)[0]:
                raise TimeoutError(f'the browser was silent for {wait_s:.0f} s')
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
            case 'Runtime.exceptionThrown': self.errors.append(said(p['exceptionDetails']))
            case 'Runtime.consoleAPICalled' if p['type'] in ('error', 'warning', 'assert'):
                self.errors.append(str(p['args']))
            case 'Log.entryAdded' if p['entry']['level'] in ('error', 'warning'):
                self.errors.append(p['entry']['text'])

    def open(self, page: Path, width=1280, height=900, hash='', dark=False) -> float:
        "Load a file in a window of this size; seconds until the page said that it was ready."
        window = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self('Emulation.setDeviceMetricsOverride', **window)
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self('Emulation.setEmulatedMedia', features=[scheme])
        self('Page.navigate', url='about:blank')
        self.errors, self.requests, self.loaded, start = [], [], False, time.monotonic()
        self('Page.navigate', url=Path(page).resolve().as_uri() + hash)
        while not (self.loaded and self.js('document.readyState') == 'complete'): self._next(60)
        return time.monotonic() - start

    def js(self, expression: str):
        "Value of an expression on the page; a promise is waited for."
        r = self('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in r:
            raise RuntimeError(f'{expression}: {said(r["exceptionDetails"])}')
        return r['result'].get('value')

    def press(self, key: str):
        "A key as a user would press it, such as ArrowRight."
        about = dict(key=key, code=key, windowsVirtualKeyCode=KEYS[key])
        for kind in ('rawKeyDown', 'keyUp'): self('Input.dispatchKeyEvent', type=kind, **about)

    def click(self, selector: str):
        "A click with the mouse in the middle of an element."
        x, y = self.js(f'({MIDDLE})(document.querySelector({json.dumps(selector)}))')
        for kind in ('mousePressed', 'mouseReleased'):
            self('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)

    def until(self, expression: str, wait_s: float = 10):
        "Waits until an expression is true: a click that goes by the address is answered in a later turn of the page."
        end = time.monotonic() + wait_s
        while not (value := self.js(expression)):
            if time.monotonic() > end: raise TimeoutError(f'{expression}: still {value!r} after {wait_s:.0f} s')
            time.sleep(.02)

    def picture(self, to: Path, whole: bool = False):
        "A screenshot, of the window or of the whole page."
        shot = self('Page.captureScreenshot', captureBeyondViewport=whole)
        Path(to).write_bytes(base64.b64decode(shot['data']))

    def asked(self) -> list[str]:
        "Requests beyond the page itself that left it: all but what it carries in itself."
        return [u for u in self.requests[1:] if not u.startswith(('data:', 'blob:'))]

    def close(self):
        try: self('Browser.close', wait_s=5)
        except (OSError, RuntimeError, TimeoutError): self.process.kill()
        self.process.wait(20); os.close(self.out); os.close(self.inp); self.home.cleanup()

    def __enter__(self): return self
    def __exit__(self, *_): self.close()
