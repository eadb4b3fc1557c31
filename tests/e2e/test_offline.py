"""The app without a network: the pages that open, and the rows that the browser keeps or erases."""

import logging
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dev.postgres import Postgres
from tests import plain, stack
from tests.e2e.person import TOKEN, Newcomer, Person

log = logging.getLogger(__name__)

STORED = """async () => {
    const open = indexedDB.open("offline-copy");
    const database = await new Promise((done, fail) => {
        open.onsuccess = () => done(open.result);
        open.onerror = fail;
    });
    if (!database.objectStoreNames.contains("rows")) {
        database.close();
        return [null, []];
    }
    const transaction = database.transaction(["people", "rows"]);
    const all = (name) => new Promise((done) => {
        const request = transaction.objectStore(name).getAll();
        request.onsuccess = () => done(request.result);
    });
    const [people, rows] = [await all("people"), await all("rows")];
    database.close();
    return [people[0]?.email ?? null, rows.map(({ title }) => title).sort()];
}"""
"""A script that returns the email address and the titles that are stored in the browser."""
CACHED = """async () => {
    const found = [];
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            const response = await cache.match(request);
            found.push([new URL(request.url).pathname, await response.text()]);
        }
    }
    return found;
}"""
"""A script that returns the paths and the bodies of all cached responses."""
FIRST_ROW = """new MutationObserver((_, observer) => {
    if (!document.querySelector("main[data-complete=true] li")) return;
    window.firstRowAt = performance.now();
    observer.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true });"""
"""A script that records the time at which the complete list shows its first row."""


WITHOUT_NETWORK = (
    "ERR_INTERNET_DISCONNECTED",
    "ERR_FAILED",
)
"""Parts of messages that Chromium logs without a network."""


def waits_until(page: Page, is_done: str, argument: object) -> None:
    """Wait until an asynchronous script returns true, which `wait_for_function` does not await."""
    script = f"""async argument => {{
        const isDone = {is_done};
        for (const end = Date.now() + 30000; Date.now() < end; ) {{
            if (await isDone(argument)) return true;
            await new Promise((done) => setTimeout(done, 50));
        }}
        return false;
    }}"""
    assert page.evaluate(script, argument)


def has_stored(person: Person, *titles: str) -> None:
    """Wait until the service worker is active and exactly these tasks are stored."""
    person.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    is_done = f"async titles => `${{(await ({STORED})())[1]}}` === `${{titles}}`"
    waits_until(person.page, is_done, sorted(titles))


def opens_offline(person: Person, path: str = "/tasks") -> Page:
    """Close all pages, and open one without a network."""
    person.page.close()
    person.context.set_offline(True)
    person.page = person.context.new_page()
    person.goes_to(path)
    return person.page


def is_not_shown_a_copy(person: Person) -> None:
    """Check that the tasks page shows no stored rows, and that none are left."""
    page = opens_offline(person)
    expect(page.get_by_text("There is no copy of your tasks on this device.")).to_be_visible()
    assert page.evaluate(STORED) == [None, []]


@pytest.fixture
def service_workers() -> str:
    """Allow the service worker, which opens the app without a network."""
    return "allow"


@pytest.fixture
def ada(ada: Person) -> Iterator[Person]:
    ada.adds("Milk")
    has_stored(ada, "Milk")
    yield ada
    ada.leaves()
    ada.ignores_messages(*WITHOUT_NETWORK)


def test_app_opens_without_a_network_and_sends_its_edits_later(ada: Person) -> None:
    check_the_cache_has_nothing_of(ada)
    page = opens_offline(ada, "/account")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    ada.clicks("Open your tasks", "link")
    expect(ada.task("Milk")).to_be_visible()
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.get_by_label("New task").fill("Bread")
    page.get_by_label("New task").press("Enter")
    expect(ada.task("Bread")).to_have_attribute("aria-busy", "true")

    page = opens_offline(ada)
    expect(ada.task("Bread")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Account").click()
    expect(
        page.get_by_text("Your account needs the server, which does not answer.")
    ).to_be_visible()
    expect(ada.task("Bread")).to_be_visible()
    ada.context.set_offline(False)
    ada.tries_now()
    expect(ada.task("Bread")).to_have_attribute("aria-busy", "false")
    assert ada.counts_tasks() == 2
    has_stored(ada, "Bread", "Milk")
    page.reload()
    expect(ada.task("Bread")).to_be_visible()
    assert ada.violations() == []


def check_the_cache_has_nothing_of(ada: Person) -> None:
    cached = ada.page.evaluate(CACHED)
    assert "/offline" in [path for path, _ in cached]
    for path, body in cached:
        assert path.startswith("/_next/static/") or path in {
            "/offline",
            "/icon.svg",
            "/manifest.webmanifest",
        }
        assert not any(text in body for text in (ada.email, "Milk", "Bearer ey"))


@pytest.mark.prove
def test_page_that_needs_the_server_says_so(ada: Person) -> None:
    page = opens_offline(ada, "/account")
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    expect(page.get_by_text("Connect to the internet, then try again.")).to_be_visible()
    assert ada.violations() == []
    ada.clicks("Open your tasks", "link")
    expect(ada.task("Milk")).to_be_visible()
    ada.goes_to("/account")
    ada.context.set_offline(False)
    ada.clicks("Try again")
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()


def test_sign_out_erases_the_copy(ada: Person) -> None:
    ada.signs_out()
    is_not_shown_a_copy(ada)


@pytest.mark.prove
def test_sign_out_in_another_tab_erases_the_copy(ada: Person) -> None:
    first, ada.page = ada.page, ada.context.new_page()
    ada.goes_to("/account")
    ada.signs_out()
    ada.page.close()
    ada.page = first
    ada.is_at("/sign-in")
    is_not_shown_a_copy(ada)


@pytest.mark.prove
def test_sign_out_without_a_network_erases_the_copy(ada: Person) -> None:
    ada.context.set_offline(True)
    ada.chooses_in_account_menu("Sign out")
    expect(ada.page.get_by_text("Not signed out.")).to_be_visible()
    is_not_shown_a_copy(ada)


@pytest.mark.prove
def test_end_of_the_session_erases_the_copy(ada: Person) -> None:
    ada.context.clear_cookies()
    ada.goes_to("/tasks")
    expect(ada.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    is_not_shown_a_copy(ada)


def test_second_person_sees_nothing_of_the_first(ada: Person) -> None:
    forgotten = ada.page
    ada.context.clear_cookies()
    email, ada.email = ada.email, f"{secrets.token_hex(6)}@example.com"
    ada.page = ada.context.new_page()
    ada.has_an_account()
    ada.adds("Tea")
    has_stored(ada, "Tea")
    # The page of the first person still has a valid access token, and reads once more.
    forgotten.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert ada.page.evaluate(STORED) == [ada.email, ["Tea"]]
    forgotten.close()
    page = opens_offline(ada)
    expect(ada.task("Tea")).to_be_visible()
    assert not any(text in page.content() for text in (email, "Milk"))


@pytest.mark.prove
def test_ten_thousand_tasks_open_without_a_network(ada: Person) -> None:
    headers = {"Authorization": f"Bearer {ada.page.evaluate(TOKEN)}"}
    create = (
        "mutation ($inputs: [CreateTaskInput!]!) { createTasks(inputs: $inputs) { __typename } }"
    )
    for start in range(1, 10_000, 100):
        inputs = [{"title": f"Task {n}"} for n in range(start, min(start + 100, 10_000))]
        body = {"query": create, "variables": {"inputs": inputs}}
        answer = plain.post(f"{ada.site.api.url}/graphql", json=body, headers=headers).json()
        assert "errors" not in answer, answer
    ada.goes_to("/tasks")
    has_stored(ada, "Milk", *(f"Task {n}" for n in range(1, 10_000)))
    ada.context.add_init_script(FIRST_ROW)
    for opened in ("first", "second"):
        page = opens_offline(ada)
        expect(page.get_by_text("10,000 tasks")).to_be_visible()
        milliseconds = page.evaluate("window.firstRowAt")
        log.info("%s open of 10,000 tasks without a network: %d ms", opened, milliseconds)


@pytest.mark.prove
def test_app_can_be_installed(ada: Person) -> None:
    session = ada.context.new_cdp_session(ada.page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # Playwright's contexts are private windows, in which Chromium does not install apps.
    assert [e["errorId"] for e in errors if e["errorId"] != "in-incognito"] == []


@pytest.mark.prove
def test_next_build_replaces_the_service_worker_and_its_files(
    newcomer: Newcomer, tmp_path: Path, postgres: Postgres
) -> None:
    with stack.site(tmp_path, postgres) as site:
        eve = newcomer(site)
        eve.has_an_account()
        eve.adds("Kept")
        has_stored(eve, "Kept")
        old = stack.FRONTEND / ".next/standalone"
        built = tmp_path / "standalone"
        subprocess.run(["cp", "-al", old, built], check=True)
        build = (stack.FRONTEND / ".next/BUILD_ID").read_text()
        script = built / "public/service-worker.js"
        text = script.read_text().replace(build, "next-build")
        script.unlink()
        script.write_text(text)
        site.web.stop()
        site.web = stack.web(site.env, built=built / "server.js")
        eve.page.reload()
        # Chromium would look for a new script about a second after a navigation, and only once.
        keys = """async build => {
            await (await navigator.serviceWorker.ready).update();
            const names = await caches.keys();
            const caches_ = await Promise.all(names.map((name) => caches.open(name)));
            const keys = (await Promise.all(caches_.map((cache) => cache.keys()))).flat();
            const pages = keys.map(({ url }) => url).filter((url) => url.includes("/offline"));
            return pages.length === 1 && pages[0].includes(build);
        }"""
        waits_until(eve.page, keys, "next-build")
        opens_offline(eve)
        expect(eve.task("Kept")).to_be_visible()
        eve.leaves()
        eve.ignores_messages(*WITHOUT_NETWORK)
        shutil.rmtree(built)
