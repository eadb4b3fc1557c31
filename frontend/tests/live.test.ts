import "fake-indexeddb/auto";
import { UnsecuredJWT } from "jose";
import { beforeEach, expect, test, vi } from "vitest";
import { leave, setLeaving } from "../components/account/signed-out";
import { eraseOfflineCopy } from "../components/offline/offline-copy";
import { type AppStore, openStore } from "../components/tasks/app-store";
import { AccessToken } from "../lib/access-token";
import { LiveApi } from "./live-api";
import { ada } from "./person";
import { project } from "./project";
import { task } from "./task";

vi.setConfig({ testTimeout: 60_000 });

let api: LiveApi;
let apiUrl: string;
let isSessionOver: boolean;
const issued: string[] = [];
const stops: (() => void)[] = [];
const onSessionOver = vi.fn();

function issue(): Response {
  if (isSessionOver) return new Response(null, { status: 401 });
  const claims = { user_id: ada.id, n: issued.length };
  issued.push(new UnsecuredJWT(claims).setIssuedAt().setExpirationTime("24h").encode());
  return Response.json({ token: issued.at(-1) });
}

/** Open the page in a tab. */
function openTab(): { store: AppStore; stop: () => void } {
  const accessToken = new AccessToken(ada.id);
  const connection = { apiUrl, owner: ada.id, accessToken, onSessionOver };
  const store = openStore(api.client, ada, null, connection);
  const stopStore = store.start(ada.id);
  const stop = () => {
    stopStore();
    accessToken.close();
  };
  stops.push(stop);
  return { store, stop };
}

const titleOf = (store: AppStore, id: string) => store.tables.tasks.get(id)?.title;

/** Wait until a condition holds, also on a busy machine. */
const waitFor = (condition: () => void | Promise<void>) =>
  vi.waitFor(condition, { timeout: 20_000 });

/** Wait until the subscriptions of so many sockets have reached the API. */
const follows = (sockets: number) => waitFor(() => expect(api.followed).toHaveLength(2 * sockets));

const shows = (store: AppStore, { id, title }: { id: string; title: string }) =>
  waitFor(() => expect(titleOf(store, id)).toBe(title));

beforeEach(async () => {
  // Pages that were opened before do not fill the copy again.
  await eraseOfflineCopy();
  api = new LiveApi();
  apiUrl = await api.start();
  isSessionOver = false;
  issued.length = 0;
  onSessionOver.mockClear();
  vi.stubGlobal("window", Object.assign(new EventTarget(), { location: { assign: vi.fn() } }));
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("navigator", { onLine: true, locks: navigator.locks });
  vi.stubGlobal("sessionStorage", { clear: () => {} });
  vi.stubGlobal("fetch", () => Promise.resolve(issue()));
  // No pause before the first new connection.
  vi.spyOn(Math, "random").mockReturnValue(0);
  return () => {
    for (const stop of stops.splice(0)) stop();
    api.stop();
    setLeaving(false);
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  };
});

test("changes of both nouns arrive over one socket, without a query", async () => {
  const { store } = openTab();
  await follows(1);
  const queries = [...api.queries];
  const [milk, home] = [task({ title: "Milk" }), project({ name: "Home" })];
  api.publish("tasks", milk);
  api.publish("projects", home);
  await shows(store, milk);
  await waitFor(() => expect(store.tables.projects.get(home.id)?.name).toBe("Home"));
  api.purge("tasks", milk.id);
  await waitFor(() => expect(store.tables.tasks.get(milk.id)).toBeNull());
  expect(api.queries).toEqual(queries);
  expect(api.accepted).toEqual(issued);
});

test("changes that arrive together are shown in one update", async () => {
  const { store } = openTab();
  await follows(1);
  const updated = vi.fn();
  store.subscribe(updated);
  const tasks = Array.from({ length: 50 }, () => task());
  for (const one of tasks) api.publish("tasks", one);
  await shows(store, tasks.at(-1) ?? task());
  expect(tasks.every(({ id }) => store.tables.tasks.get(id) !== null)).toBe(true);
  expect(updated.mock.calls.length).toBeLessThanOrEqual(3);
});

test("an event about a row that is known changes nothing", async () => {
  const milk = task({ title: "Milk", labels: ["home"] });
  api.publish("tasks", milk);
  const { store } = openTab();
  await shows(store, milk);
  await follows(1);
  const { revision } = store.state();
  const shown = store.tables.tasks.get(milk.id);
  api.publish("tasks", structuredClone(milk));
  const bread = task();
  api.publish("tasks", bread);
  await shows(store, bread);
  expect(store.state().revision).toBe(revision + 1);
  expect(store.tables.tasks.get(milk.id)).toBe(shown);
});

test("after an event with an error, the change is read by a query from the last cursor", async () => {
  const { store } = openTab();
  await follows(1);
  const [milk, bread] = [task(), task()];
  api.publish("tasks", milk);
  await shows(store, milk);
  api.queries.length = 0;
  api.publish("tasks", bread, true);
  await shows(store, bread);
  expect(api.queries).toContain("TaskChanges 1");
  await follows(2);
  expect(api.followed.slice(2)).toEqual(["2", "0"]);
});

test("a new connection continues at the last cursor, and misses nothing", async () => {
  const { store } = openTab();
  await follows(1);
  const [milk, bread] = [task(), task()];
  api.publish("tasks", milk);
  await shows(store, milk);
  api.queries.length = 0;
  api.closeSockets(1001);
  api.publish("tasks", bread);
  await shows(store, bread);
  expect(api.followed).toEqual(["0", "0", "1", "0"]);
  expect(api.queries).toEqual([]);
});

test("a socket that opens does not end a pause that the server asked for", async () => {
  const { store } = openTab();
  await follows(1);
  api.retryAfter = "3600";
  await store.tryNow();
  expect(store.state().syncProblem).toContain("not ready");
  api.queries.length = 0;
  api.closeSockets(1001);
  await follows(2);
  const milk = task();
  api.publish("tasks", milk);
  await shows(store, milk);
  // After a broken event, the feed is read before the tab connects again, but not in the pause.
  const bread = task();
  api.publish("tasks", bread, true);
  await waitFor(() => expect(api.socketCount).toBe(0));
  expect(api.queries).toEqual([]);
  api.retryAfter = null;
  await store.tryNow();
  await shows(store, bread);
  await follows(3);
});

test("an edit in a pause that the server asked for is sent after it, also if the person left and returned", async () => {
  const milk = task({ title: "Milk" });
  api.publish("tasks", milk);
  const { store, stop } = openTab();
  await follows(1);
  await shows(store, milk);
  api.retryAfter = "1";
  await store.tryNow();
  api.retryAfter = null;
  stop();
  await waitFor(() => expect(api.open.size).toBe(0));
  stops.push(store.start(ada.id));
  await follows(2);
  await waitFor(() => expect(store.state().syncProblem).toBeNull());
});

test("after an expired cursor all rows are read", async () => {
  const milk = task();
  api.publish("tasks", milk);
  const { store } = openTab();
  await follows(1);
  await shows(store, milk);
  const bread = task();
  api.publish("tasks", bread);
  await shows(store, bread);
  api.oldestCursor = 3;
  api.purge("tasks", milk.id);
  await waitFor(() => expect(store.tables.tasks.get(milk.id)).toBeNull());
  api.closeSockets(1001);
  await waitFor(() => expect(api.queries).toContain("ProjectChanges 0"));
  await waitFor(() => expect(api.queries.filter((q) => q === "TaskChanges null").length).toBe(1));
});

test("a rejected token is replaced by a new one", async () => {
  openTab();
  await follows(1);
  api.rejectedTokens.add(issued[0] ?? "");
  api.closeSockets(4403);
  await follows(2);
  expect(api.accepted).toEqual(issued);
  expect(issued).toHaveLength(2);
});

test("the person is signed out if there is no new token", async () => {
  openTab();
  await follows(1);
  isSessionOver = true;
  api.closeSockets(4403);
  await waitFor(() => expect(onSessionOver).toHaveBeenCalled());
  expect(api.accepted).toHaveLength(1);
});

test("a sign-out closes the socket at once", async () => {
  openTab();
  await follows(1);
  leave("/sign-in");
  await waitFor(() => expect(api.socketCount).toBe(0));
  window.dispatchEvent(new Event("online"));
  expect(api.accepted).toHaveLength(1);
  await waitFor(() => expect(window.location.assign).toHaveBeenCalledWith("/sign-in"));
});

test("a page without a network connects at once when the network is back", async () => {
  const { store } = openTab();
  await follows(1);
  vi.mocked(Math.random).mockReturnValue(1);
  window.dispatchEvent(new Event("offline"));
  await waitFor(() => expect(api.socketCount).toBe(0));
  expect(store.state().syncProblem).toBe("You are offline.");
  const milk = task();
  api.publish("tasks", milk);
  window.dispatchEvent(new Event("online"));
  await follows(2);
  await shows(store, milk);
  expect(store.state().syncProblem).toBeNull();
});

test("a connection that does not answer a ping is replaced", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { store } = openTab();
  await follows(1);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(api.accepted).toHaveLength(1);
  api.isSilent = true;
  await waitFor(async () => {
    await vi.advanceTimersByTimeAsync(5_000);
    expect(api.followed).toHaveLength(4);
  });
  const milk = task();
  api.publish("tasks", milk);
  await shows(store, milk);
});

test("tabs share one socket, and no change needs a query", async () => {
  const first = openTab();
  await follows(1);
  const second = openTab();
  await waitFor(() => expect(second.store.state().isComplete).toBe(true));
  api.queries.length = 0;
  const tasks = Array.from({ length: 5 }, () => task());
  for (const one of tasks) {
    api.publish("tasks", one);
    await shows(first.store, one);
    await shows(second.store, one);
  }
  expect(api.accepted).toHaveLength(1);
  expect(api.queries).toEqual([]);
});

test("when the tab with the socket is closed, another one continues", async () => {
  const first = openTab();
  await follows(1);
  const second = openTab();
  const [milk, bread] = [task(), task()];
  api.publish("tasks", milk);
  await shows(second.store, milk);
  api.queries.length = 0;
  first.stop();
  api.publish("tasks", bread);
  await shows(second.store, bread);
  expect(api.followed.slice(2)).toEqual(["1", "0"]);
  expect(api.queries).toEqual([]);
  expect(api.socketCount).toBe(1);
});

test("a tab that missed messages reads what it lacks", async () => {
  openTab();
  await follows(1);
  const second = openTab();
  await waitFor(() => expect(second.store.state().isComplete).toBe(true));
  const channel = new BroadcastChannel(`live:${ada.id}`);
  const [milk, bread] = [task(), task()];
  api.publish("tasks", milk);
  await shows(second.store, milk);
  // As if the message about the bread was lost.
  const parts = [{ noun: "tasks", shape: "", after: "1", cursor: "1", changes: [] }];
  channel.postMessage({ kind: "open", parts: [{ ...parts[0], cursor: "7", after: "7" }] });
  api.publish("tasks", bread);
  await shows(second.store, bread);
  channel.close();
});

test("a frozen tab that holds the lock is replaced", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  const frozen = Promise.withResolvers<void>();
  const lost = vi.fn();
  void navigator.locks.request(`live:${ada.id}`, () => frozen.promise).catch(lost);
  const { store } = openTab();
  await waitFor(() => expect(store.state().isComplete).toBe(true));
  expect(api.accepted).toEqual([]);
  await vi.advanceTimersByTimeAsync(5_000);
  await waitFor(() => expect(lost).toHaveBeenCalled());
  await follows(1);
  const milk = task();
  api.publish("tasks", milk);
  await shows(store, milk);
});

test("without Web Locks each tab has a socket", async () => {
  vi.stubGlobal("navigator", { onLine: true });
  const tabs = [openTab(), openTab()];
  await follows(2);
  const milk = task();
  api.publish("tasks", milk);
  for (const { store } of tabs) await shows(store, milk);
  expect(api.socketCount).toBe(2);
});

test("a page polls while it has no socket, and not while it has one", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  const { store } = openTab();
  await follows(1);
  api.queries.length = 0;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(api.queries).toEqual([]);
  api.rejectedTokens.add(issued[0] ?? "");
  vi.mocked(Math.random).mockReturnValue(1);
  api.closeSockets(1013);
  await waitFor(() => expect(api.socketCount).toBe(0));
  await waitFor(async () => {
    await vi.advanceTimersByTimeAsync(5_000);
    expect(api.queries).toContain("TaskChanges 0");
  });
  expect(store.state().syncProblem).toBeNull();
});
