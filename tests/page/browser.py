"""Chromium without a window, and pages that note whatever should not happen: errors, messages, dialogs, requests to elsewhere."""

import contextlib
import shutil

from playwright.sync_api import sync_playwright

from stage import WITHIN_SECONDS

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

# Debian's Chromium keeps its sandbox from root, and small machines have a small /dev/shm.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server", "--force-color-profile=srgb"]

# Runs before any script of the page: notes what the policy refused and how long tasks took.
NOTE = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(`${event.violatedDirective}: ${event.blockedURI}`));
window.tasks = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries()) tasks.push(entry.duration); }).observe({ type: "longtask", buffered: true });
"""


@contextlib.contextmanager
def chromium():
    """The browser of this machine: the one that playwright would download cannot be had everywhere."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    assert path, "there is no Chromium on this machine"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page of a service, watched."""

    def __init__(self, browser, url, size=DESKTOP, scheme="light", scale=1):
        self.url = url
        self.context = browser.new_context(
            viewport=size, color_scheme=scheme, device_scale_factor=scale, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
        )
        self.context.add_init_script(NOTE)
        self.page = self.context.new_page()
        self.page.set_default_timeout(WITHIN_SECONDS * 1000)
        self.wrong = []
        self.elsewhere = []
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: request.url.startswith(url) or self.elsewhere.append(request.url))

    def open(self, place=""):
        """Goes to a view; `place` is what stands behind the `#`."""
        self.page.goto(f"{self.url}#{place}")
        self.page.wait_for_selector("main h1")
        # A reload forgets this.
        self.page.evaluate("window.isSame = true")
        return self.page

    def go(self, place):
        """Goes to another view of the same page."""
        self.page.evaluate("place => { location.hash = place }", place)

    def wait(self, condition, argument=None, timeout_seconds=WITHIN_SECONDS):
        """Waits until an expression of the page is true."""
        return self.page.wait_for_function(condition, arg=argument, polling=50, timeout=timeout_seconds * 1000)

    def text(self, selector):
        return self.page.inner_text(selector)

    def check(self):
        """Nothing happened that should not, and the page was never loaded anew."""
        assert not self.wrong, self.wrong
        assert not self.elsewhere, f"requests to elsewhere: {self.elsewhere}"
        assert not (refused := self.page.evaluate("window.refused")), f"the policy refused: {refused}"
        assert self.page.evaluate("window.isSame"), "the page was loaded anew"

    def close(self):
        self.context.close()


@contextlib.contextmanager
def watched(browser, url, place="", **options):
    """A page that is open while it is looked at, and that was right all along."""
    page = Watched(browser, url, **options)
    try:
        page.open(place)
        yield page
        page.check()
    finally:
        page.close()
