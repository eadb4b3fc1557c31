"""The tasks page when code that it loads on demand arrives late."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.person import Person

NEVER_PRELOAD = """
    const later = window.setTimeout;
    window.setTimeout = (run, ms, ...rest) => ms === 2000 ? 0 : later(run, ms, ...rest);
"""
PRELOAD_AT_ONCE = (
    NEVER_PRELOAD.replace("0 :", "later(() => preload(run)) :")
    + """
    function preload(run) {
        const { allSettled } = Promise;
        Promise.allSettled = (loads) => {
            void Promise.all(loads).then(() => { window.isPreloaded = true; });
        };
        run();
        Promise.allSettled = allSettled;
    }
"""
)
"""Preloads all code at once, and sets `isPreloaded` when the code is loaded. The script replaces
`Promise.allSettled`, which `usePreload` calls."""


@pytest.fixture
def service_workers() -> str:
    """Block the service worker, which would load the code before a test can delay it."""
    return "block"


@pytest.fixture
def page(ada: Person) -> Page:
    """Return a page with tasks that loads no further code until a test needs it."""
    for title in ("two", "one"):
        ada.adds(title)
    tab = ada.context.new_page()
    tab.add_init_script(NEVER_PRELOAD)
    tab.goto(ada.page.url, wait_until="networkidle")
    return tab


def test_selection_is_shown_before_the_code_of_its_bar_arrives(ada: Person, page: Page) -> None:
    held: list[Route] = []
    is_released = False

    def hold(route: Route) -> None:
        if is_released:
            route.continue_()
        else:
            held.append(route)

    page.route("**/chunks/**", hold)
    page.get_by_text("one", exact=True).click(modifiers=["Control"])
    expect(page.get_by_label("Select: one")).to_be_checked()
    page.get_by_text("two", exact=True).click(modifiers=["Shift"])
    expect(page.get_by_label("Select: two")).to_be_checked()
    bar = page.get_by_role("toolbar", name="Selected tasks")
    ada.waits_until(lambda: held, "the page did not request the code of the bar")
    expect(bar).to_have_count(0)
    is_released = True
    for route in held:
        route.continue_()
    expect(bar).to_be_visible()


def test_keys_that_follow_the_key_of_the_palette_at_once_reach_the_palette(ada: Person) -> None:
    """The code is loaded, but the palette has not been rendered before."""
    page = ada.context.new_page()
    page.add_init_script(PRELOAD_AT_ONCE)
    page.goto(ada.page.url)
    ada.waits_until(lambda: page.evaluate("window.isPreloaded"), "the code has not run")
    page.keyboard.press("Control+k")
    page.keyboard.type("groceries")
    expect(page.get_by_placeholder("Find a task")).to_have_value("groceries")


def test_page_whose_code_did_not_load_is_loaded_again(ada: Person, page: Page) -> None:
    page.route("**/chunks/**", lambda route: route.abort())
    page.keyboard.press("Control+k")
    expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
    ada.context.set_offline(True)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No answer from the server.")).to_be_visible()
    ada.context.set_offline(False)
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("one", exact=True)).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_placeholder("Find a task")).to_be_visible()
    ada.ignores_messages("ChunkLoadError", "Failed to load", "net::ERR_")


def test_sign_out_whose_code_cannot_be_loaded_says_what_to_do(ada: Person, page: Page) -> None:
    ada.page = page
    page.route("**/chunks/**", lambda route: route.abort("internetdisconnected"))
    ada.chooses_in_account_menu("Sign out")
    told = page.get_by_role("region", name="Notifications").get_by_role("alert")
    expect(told).to_contain_text("Not signed out. Check your connection and try again.")
    ada.is_at("/tasks")
    page.unroute("**/chunks/**")
    told.get_by_role("button", name="Try again").click()
    ada.is_at("/sign-in")
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")
