"""A user at a browser, with methods for what they do."""

import json
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    BrowserContext,
    FloatRect,
    Locator,
    Page,
    WebSocket,
    expect,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from dev.postgres import ROOT
from tests import plain, stack
from tests.waiting import PATIENCE, wait_until

AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
# Text that is fading in has less contrast. Endless animations are not awaited, and an element that
# is removed during its animation rejects `finished`.
STILL = """Promise.allSettled(
    document.getAnimations()
        .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
        .map((one) => one.finished)
)"""
VIOLATIONS = """() => axe.run({ resultTypes: ["violations"] })
    .then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))"""
"""A script that describes the violations that axe finds. The other results are not sent."""
PASSWORD = "correct horse"
TOKEN = "fetch('/api/auth/token').then(r => r.json()).then(body => body.token)"
"""A script that fetches the user's access token."""
WAITING = """async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name);
    if (!names.includes("waiting-edits")) return 0;
    const open = indexedDB.open("waiting-edits");
    open.onupgradeneeded = () => open.transaction.abort();  // the database has just been deleted
    const isOpen = await new Promise(resolve => {
        open.onsuccess = () => resolve(true);
        open.onerror = () => resolve(open.error.name !== "AbortError");
    });
    if (!isOpen) return 0;
    const count = open.result.transaction("edits").objectStore("edits").count();
    await new Promise(resolve => { count.onsuccess = resolve; });
    open.result.close();
    return count.result;
}"""
"""A script that returns the number of edits that the browser keeps until the server has them."""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 375, "height": 720}
IGNORED_MESSAGES = re.compile(
    r"Service Worker registration blocked by Playwright$|The resource \S+\.woff2 was preloaded"
    r"|A preload for '\S+' is found, but is not used because it is a cross-world service worker"
    r"|WebSocket connection to \S+ failed: "
    r"(.*net::ERR_\w+|.*Unexpected response code: 503"
    r"|Connection closed before receiving a handshake response"
    r"|WebSocket is closed before the connection is established)"
)
"""The messages of the console that no test checks.

Playwright writes the first one when it blocks the service worker. Chromium writes the second one if
a page uses its font only some seconds after it has loaded, as on a busy machine. It writes the
third one if the service worker begins to answer requests while a page loads. It writes the
fourth one for a socket that was being opened when a test disconnected the browser or stopped the
API, or when the page was left. It cannot be silenced by a page, which tries again by itself.
"""
expect.set_options(timeout=PATIENCE * 1000)


def place(of: Locator) -> FloatRect:
    """Wait until all animations have ended. Return the position and the size of an element."""
    of.wait_for()
    of.page.evaluate(STILL)
    box = of.bounding_box()
    assert box
    return box


class LiveSocket:
    """A WebSocket of a page, and what was sent over it."""

    def __init__(self, page: Page, socket: WebSocket) -> None:
        self.page = page
        self.socket = socket
        self.received: list[str] = []
        self.subscriptions = 0
        socket.on("framesent", self._sent)
        socket.on("framereceived", lambda frame: self.received.append(str(frame)))

    def _sent(self, frame: str | bytes) -> None:
        if json.loads(frame)["type"] == "subscribe":
            self.subscriptions += 1

    def is_closed(self) -> bool:
        """Return whether the socket or its page is closed. Playwright reports only the socket."""
        return self.socket.is_closed() or self.page.is_closed()


class Person:
    """A user at a browser, with methods for what they do."""

    def __init__(self, context: BrowserContext, site: stack.Site, address: str) -> None:
        self.site = site
        self.address = address
        self.email = f"{secrets.token_hex(6)}@example.com"
        self.console_messages: list[str] = []
        self.ignored_messages: set[str] = set()
        self.requests: list[str] = []
        self.sockets: list[LiveSocket] = []
        self.context = context
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.console_messages.append(str(error.error)))
        context.on("console", self._listen)
        context.on("page", self._watch)
        self.page = context.new_page()

    def _watch(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.sockets.append(LiveSocket(page, socket)))

    def is_live(self, *, sockets: int = 1) -> None:
        """Wait until this number of sockets receive changes, and no other socket is open."""

        def settled() -> bool:
            still_open = [one for one in self.sockets if not one.is_closed()]
            return len(still_open) == sockets and all(one.subscriptions > 1 for one in still_open)

        self.waits_until(settled, f"there are not {sockets} open sockets")

    def waits_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds. Playwright's events are handled in the meantime."""

        def holds() -> object:
            self.page.wait_for_timeout(10)
            return condition()

        wait_until(holds, what)

    def _listen(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not IGNORED_MESSAGES.match(message.text):
            where = message.location.get("url", "")
            self.console_messages.append(f"{message.text} {where}".strip())

    def goes_to(self, path: str) -> None:
        """Open a page by the address bar."""
        self.page.goto(f"{self.site.url}{path}")

    def leaves(self) -> None:
        """Leave the site before it stops: a page that prefetches then would log an error."""
        self.page.goto("about:blank")

    def is_at(self, path: str) -> None:
        """Wait until the browser is at this path."""
        expect(self.page).to_have_url(f"{self.site.url}{path}")

    def signs_up(self) -> None:
        """Sign up with the form, and wait for the empty list of tasks."""
        self.goes_to("/sign-up")
        self.submits("Create account")
        self.has_no_tasks_yet()

    def has_an_account(self) -> None:
        """Sign up without the form, in half the time."""
        self.has_signed_up()
        self.goes_to("/tasks")
        self.has_no_tasks_yet()

    def has_signed_up(self) -> None:
        """Sign up without the form. The open page does not change."""
        self._posts("sign-up", name=self.email.partition("@")[0])

    def has_signed_in(self) -> None:
        """Sign in without the form. The open page does not change."""
        self._posts("sign-in")

    def _posts(self, what: str, **more: str) -> None:
        given = {"email": self.email, "password": PASSWORD, **more}
        headers = {"Origin": self.site.url}
        url = f"{self.site.url}/api/auth/{what}/email"
        assert self.context.request.post(url, data=given, headers=headers).ok

    def has_another_browser(self, newcomer: "Newcomer", **options: Any) -> "Person":
        """Sign in with another browser, and wait until it receives changes."""
        other: Person = newcomer(self.site, **options)
        other.email = self.email
        other.has_signed_in()
        other.goes_to("/tasks")
        other.has_read_all()
        other.is_live()
        return other

    def asks(self, query: str, **variables: object) -> Any:
        """Return the data that the API sends to a program with the user's token."""
        headers = {"Authorization": f"Bearer {self.page.evaluate(TOKEN)}"}
        body: Any = {"query": query, "variables": variables}
        answer = plain.post(f"{self.site.api.url}/graphql", json=body, headers=headers).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def has_no_tasks_yet(self) -> None:
        """Wait until the page has loaded all tasks, and shows that there are none."""
        self.is_at("/tasks")
        expect(self.page.get_by_text("No open tasks")).to_be_visible()
        self.has_read_all()

    def signs_out(self) -> None:
        """Sign out, and wait for the sign-in page."""
        # A tab may ask for an access token just before it learns of the sign-out.
        self.ignores_messages(f"status of 401 (UNAUTHORIZED) {self.site.url}/api/auth/token")
        self.chooses_in_account_menu("Sign out")
        self.is_at("/sign-in")

    def opens_sidebar(self) -> None:
        """Open the sidebar in front of the list, on a page without room beside the list."""
        button = self.page.get_by_role("button", name="Show the sidebar")
        if button.is_visible():
            button.click()

    def shows(self, view: str) -> None:
        """Show a view by its link in the sidebar."""
        self.opens_sidebar()
        self.clicks(view, "link")

    def chooses_in_account_menu(self, entry: str, role: Any = "menuitem") -> None:
        """Choose an entry of the menu for the account."""
        self.opens_sidebar()
        self.page.get_by_role("button", name=f"Account: {self.email}").click()
        self.clicks(entry, role)

    def chooses_appearance(self, theme: str) -> None:
        """Choose a theme in the menu for the account, which stays open, and close it."""
        self.chooses_in_account_menu(theme, "menuitemradio")
        self.page.keyboard.press("Escape")

    def chooses_in_filter_menu(self, entry: str) -> None:
        """Choose an entry of the menu to filter and sort, which stays open, and close it."""
        self.clicks("Filter and sort")
        self.clicks(entry, "menuitemradio")
        self.page.keyboard.press("Escape")

    def submits(self, button: str, password: str = PASSWORD) -> None:
        """Submit a form with the user's email address and a password."""
        self.page.get_by_label("Email").fill(self.email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name=button).click()

    def adds(self, title: str) -> None:
        """Add a task, and wait until the server has it."""
        field = self.page.get_by_label("New task")
        field.fill(title)
        field.press("Enter")
        expect(self.task(title)).to_have_attribute("aria-busy", "false")

    def pastes(self, text: str) -> None:
        """Paste from the clipboard into the field for a new task, by keyboard."""
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.get_by_label("New task").focus()
        self.page.keyboard.press("Control+v")

    def renames(self, title: str, new: str) -> None:
        """Rename a task in place, by keyboard."""
        self.task(title).focus()
        self.page.keyboard.press("e")
        self.page.get_by_label("Title").fill(new)
        self.page.get_by_label("Title").press("Enter")

    def sets_due(self, button: str, text: str) -> None:
        """Type a due date in the picker that this button opens."""
        self.page.get_by_role("button", name=button).click()
        self.page.get_by_label("Type a date").fill(text)
        self.page.keyboard.press("Enter")

    def has_read_all(self, page: Page | None = None) -> None:
        """Wait until the page has all tasks, not only the first ones."""
        expect((page or self.page).locator("main[data-complete=true]")).to_be_visible()

    def stops_clock(self) -> None:
        """Stop the clock of the page, so that no timer runs until the test moves the clock."""
        self.page.clock.install()
        self.page.clock.pause_at(time.time() + 60)  # a clock can only be stopped at a later time

    def keeps_edits(self, count: int) -> None:
        """Wait until the browser keeps this number of edits that the server does not have.

        The page leaves half a second after a sign-out, even if its data is not deleted yet.
        """
        self.waits_until(
            lambda: self.page.evaluate(WAITING) == count, f"the browser does not keep {count} edits"
        )

    def tries_now(self) -> None:
        """Retry waiting edits, unless they have just been saved."""
        with suppress(PlaywrightTimeout):
            self.page.get_by_role("button", name="Retry now").click(timeout=1000)

    def ignores_messages(self, *told: str) -> None:
        """Ignore messages about errors that the test causes, also those that arrive later."""
        self.ignored_messages.update(told)

    def unexpected_messages(self) -> list[str]:
        """Return the errors and warnings of the console that the test does not ignore."""
        return [
            text
            for text in self.console_messages
            if not any(part in text for part in self.ignored_messages)
        ]

    def task(self, title: str) -> Locator:
        """Return the row of a task in the list."""
        return self.page.get_by_role("listitem", name=title, exact=True)

    def clicks(self, name: str, role: Any = "button") -> None:
        """Click the element with exactly this name."""
        self.page.get_by_role(role, name=name, exact=True).click()

    def exports(self, kind: str, folder: Path) -> Path:
        """Export all tasks and projects as JSON or CSV. Return the downloaded file."""
        with self.page.expect_download() as download:
            self.clicks(f"Export as {kind}")
        file = folder / f"tasks.{kind.lower()}"
        download.value.save_as(file)
        return file

    def chooses(self, file: Path) -> None:
        """Choose a file to import on the account page."""
        self.page.get_by_label("Import a file").set_input_files(file)

    def dialog(self) -> Locator:
        """Return the open dialog."""
        return self.page.get_by_role("dialog")

    def counts_tasks(self) -> int:
        """Return how many tasks are open, according to the API."""
        query = {"query": "{ tasks { totalCount } }"}
        headers = {"Authorization": f"Bearer {self.page.evaluate(TOKEN)}"}
        answer = plain.post(f"{self.site.api.url}/graphql", json=query, headers=headers).json()
        count: int = answer["data"]["tasks"]["totalCount"]
        return count

    def violations(self) -> list[str]:
        """Return what axe reports for the page, after all animations."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        self.page.evaluate(STILL)
        found: list[str] = self.page.evaluate(VIOLATIONS)
        return found


Newcomer = Callable[..., Person]
