"""Measure the tasks page with 10,000 tasks in 200 projects in Chromium: `python -m benchmarks.web`.

The web app must be built. For each action, this prints the median and the worst of ten rounds, in
milliseconds: from the event to the change of the page, and to the next frame. Then it prints the
size of the scripts of each page, Lighthouse's scores for the tasks page on a desktop, and the time
to the whole list in a new page without a network.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from dev.postgres import ROOT
from tests import stack
from tests.e2e.chromium import ARGUMENTS, executable
from tests.e2e.person import PASSWORD, TOKEN
from tests.e2e.test_offline import FIRST_ROW, STORED, waits_until

TASKS, PROJECTS = 10_000, 200
ROUNDS = 10

# The time until the list changes after the event, and until the change is painted.
MEASURE = """([kind, key]) => new Promise(resolve => {
    const list = document.querySelector("main .task-list");
    const started = performance.now();
    const observer = new MutationObserver(() => {
        observer.disconnect();
        const changed = performance.now();
        requestAnimationFrame(() => setTimeout(() =>
            resolve([changed - started, performance.now() - started])));
    });
    observer.observe(list, { subtree: true, childList: true, attributes: true });
    const target = document.activeElement;
    if (kind === "submit") target.form.requestSubmit();
    else target.dispatchEvent(new KeyboardEvent("keydown", {
        key, altKey: kind === "alt", bubbles: true, cancelable: true,
    }));
})"""


# The duration of each frame while the list scrolls by 13 rows in every frame.
SCROLL = """() => new Promise(resolve => {
    const frames = [];
    let last = performance.now();
    const step = () => {
        frames.push(performance.now() - last);
        last = performance.now();
        if (frames.length > 120) return resolve(frames.slice(1));
        scrollBy(0, 600);
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""


def measured(page: Page, kind: str, key: str, before: Any) -> list[tuple[float, float]]:
    """Return the milliseconds to the change and to the next frame, for each round."""
    found = []
    for number in range(ROUNDS):
        before(number)
        page.wait_for_timeout(300)
        found.append(tuple(page.evaluate(MEASURE, [kind, key])))
    return found


def main() -> int:
    """Run the measurements, and print the results."""
    port = stack.free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        stack.site(Path(folder)) as site,
        bare() as smallest,
        sync_playwright() as playwright,
        # A persistent profile, because Lighthouse opens its pages in it and must be signed in.
        playwright.chromium.launch_persistent_context(
            Path(folder) / "profile",
            executable_path=executable(),
            args=[*ARGUMENTS, f"--remote-debugging-port={port}"],
            viewport={"width": 1280, "height": 800},
        ) as chromium,
    ):
        page = chromium.new_page()
        for name, url in (("bare", smallest), ("/sign-in", f"{site.url}/sign-in")):
            print(f"{name:10} {scripts(page, url):.0f} kB of script, compressed")
        page.goto(f"{site.url}/sign-up")
        page.get_by_label("Email").fill("ada@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.wait_for_url("**/tasks")
        fill(site, page.evaluate(TOKEN))
        page.reload()
        page.locator("main[data-complete=true]").wait_for()
        field = page.get_by_label("New task")
        first = page.locator(".task-list li").first
        show("add", measured(page, "submit", "", lambda n: field.fill(f"New {n}")))
        show("complete", measured(page, "key", " ", lambda _: first.focus()))
        show("move", measured(page, "alt", "ArrowDown", lambda _: first.focus()))
        frames = page.evaluate(SCROLL)
        middle, worst = statistics.median(frames), max(frames)
        print(f"scroll     frame {middle:6.1f} ({worst:.1f}), over {page.evaluate('scrollY')} px")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.evaluate("scrollTo(0, 0)")
        first.get_by_role("checkbox").click()
        page.locator("[aria-busy=true]").wait_for(state="detached")
        print(f"a click on a checkbox causes {len(requests)} requests: {' '.join(requests)}")
        print(f"/tasks     {scripts(page, site.url + '/tasks'):.0f} kB of script, compressed")
        lighthouse(f"{site.url}/tasks", port, Path(folder))
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        waits_until(page, f"async count => (await ({STORED})())[1].length >= count", TASKS)
        chromium.set_offline(True)
        chromium.add_init_script(FIRST_ROW)
        opened = []
        for _ in range(ROUNDS):
            page.close()
            page = chromium.new_page()
            page.goto(f"{site.url}/tasks")
            page.locator("main[data-complete=true] li").first.wait_for()
            opened.append(page.evaluate("window.firstRowAt"))
        middle, worst = statistics.median(opened), max(opened)
        print(f"offline    whole list after {middle:6.1f} (worst {worst:.1f})")
    return 0


BARE = {
    "app/layout.js": """export default function Layout({ children }) {
        return <html lang="en"><body>{children}</body></html>; }""",
    "app/page.js": "export default function Page() { return <h1>Nothing else</h1>; }",
    "next.config.mjs": """const root = import.meta.dirname + "/../..";
        export default { turbopack: { root } };""",
    "package.json": '{"type": "module"}',
}


@contextmanager
def bare() -> Iterator[str]:
    """Build and run a minimal app with the installed Next.js, and provide its URL."""
    with tempfile.TemporaryDirectory(prefix="bare-", dir=ROOT / ".data") as folder:
        (Path(folder) / "node_modules").symlink_to(stack.FRONTEND / "node_modules")
        for name, text in BARE.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        command = [str(stack.NODE), "node_modules/next/dist/bin/next"]
        env = stack.environment(NEXT_TELEMETRY_DISABLED="1")
        subprocess.run([*command, "build"], check=True, cwd=folder, env=env, capture_output=True)
        port = stack.free_port()
        start: list[str | Path] = [
            *command,
            "start",
            "--port",
            str(port),
            "--hostname",
            "127.0.0.1",
        ]
        server = stack.Server(start, Path(folder), env, "(Ready) in")
        yield f"http://127.0.0.1:{port}/"
        server.stop()


def scripts(page: Page, url: str) -> float:
    """Return the compressed kilobytes of script of a page, with what it loads when it is idle.

    The scripts are fetched again, because the browser does not know how large the files of its
    service worker were on the network.
    """
    page.goto(url, wait_until="networkidle")
    urls = page.evaluate("""performance.getEntriesByType("resource")
        .map(entry => entry.name).filter(name => name.includes(".js"))""")
    size = 0
    with httpx.Client(headers={"Accept-Encoding": "gzip"}) as client:
        for each in set(urls):
            with client.stream("GET", each) as response:
                size += sum(len(part) for part in response.iter_raw())
    return size / 1000


def lighthouse(url: str, port: int, folder: Path) -> None:
    """Print the scores of a page for a signed-in user. Lighthouse is downloaded by npm."""
    report = folder / "lighthouse.json"
    npm = stack.NODE.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    command = [str(stack.NODE), str(npm), "exec", "--yes", "lighthouse@13.5.0", "--"]
    command += [url, f"--port={port}", "--disable-storage-reset", "--quiet", "--preset=desktop"]
    command += ["--output=json", f"--output-path={report}"]
    command += ["--only-categories=performance,accessibility,best-practices"]
    subprocess.run(command, check=True, cwd=folder)
    found = json.loads(report.read_text())
    if found["finalDisplayedUrl"] != url:
        raise SystemExit("Lighthouse was not signed in")
    for name, category in found["categories"].items():
        print(f"lighthouse {name}: {category['score'] * 100:.0f}")


def fill(site: stack.Site, token: str) -> None:
    """Create the projects and the tasks, a hundred in each request."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:

        def create(nouns: str, inputs: list[dict[str, str]]) -> list[str]:
            query = (
                f"mutation ($inputs: [Create{nouns[:-1]}Input!]!) {{ "
                f"create{nouns}(inputs: $inputs) {{ created: {nouns.lower()} {{ id }} }} }}"
            )
            body = {"query": query, "variables": {"inputs": inputs}}
            response = client.post(f"{site.api.url}/graphql", json=body).raise_for_status()
            return [row["id"] for row in response.json()["data"][f"create{nouns}"]["created"]]

        ids: list[str] = []
        for start in range(0, PROJECTS, 100):
            ids += create("Projects", [{"name": f"Project {start + n}"} for n in range(100)])
        for start in range(0, TASKS, 100):
            numbers = range(start, start + 100)
            create(
                "Tasks", [{"title": f"Task {n}", "projectId": ids[n % PROJECTS]} for n in numbers]
            )


def show(name: str, spans: list[tuple[float, float]]) -> None:
    """Print a line of the table."""
    columns = []
    for values in zip(*spans, strict=True):
        columns += [f"{statistics.median(values):6.1f}", f"{max(values):6.1f}"]
    print(f"{name:10} change {columns[0]} (worst {columns[1]})  frame {columns[2]} ({columns[3]})")


if __name__ == "__main__":
    sys.exit(main())
