import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buildSchema, execute, GraphQLError, parse, subscribe, validate } from "graphql";
import { useServer as serve } from "graphql-ws/use/ws";
import { CombinedError } from "urql";
import { WebSocketServer } from "ws";
import type { Project } from "../components/projects/project";
import type { Task } from "../components/tasks/task";

type Entry = { id: string; row: Task | Project | null; isBroken: boolean };
type NounName = "tasks" | "projects";

const SDL = readFileSync("../schema.graphql", "utf8");

/**
 * An API with the change feeds of one person. It serves the queries in this process, and the
 * subscriptions over the protocol graphql-transport-ws. A cursor is the number of changes before
 * it.
 */
export class LiveApi {
  readonly #feeds: Record<NounName, Entry[]> = { tasks: [], projects: [] };
  readonly #http = createServer();
  readonly #sockets = new WebSocketServer({ server: this.#http, path: "/graphql" });
  #published = Promise.withResolvers<void>();
  /** The tokens with which the open sockets were opened. */
  readonly open = new Set<string>();
  /** The token of each socket that was accepted, in order. */
  readonly accepted: string[] = [];
  /** The cursor of each subscription, in order. */
  readonly followed: (string | null)[] = [];
  /** The name and the cursor of each query, in order. */
  readonly queries: string[] = [];
  /** Whether pings are not answered, as by a server that is gone. */
  isSilent: boolean = false;
  readonly rejectedTokens = new Set<string>();
  /** The `Retry-After` with which queries are answered 503. */
  retryAfter: string | null = null;
  /** The first cursor that is not too old. */
  oldestCursor = 0;

  readonly client = {
    query: (document: unknown, variables: { after?: string | null }) => ({
      toPromise: async () => this.#answer(document, variables.after ?? null),
    }),
  } as never;

  async start(): Promise<string> {
    const schema = buildSchema(SDL);
    const fields = schema.getSubscriptionType()?.getFields() ?? {};
    for (const [name, field] of Object.entries(fields))
      field.subscribe = (_, { after = null }) => this.#subscribe(name, after);
    serve(
      {
        schema,
        // The functions of the same copy of graphql-js: Vitest loads another one for packages.
        parse,
        validate,
        execute,
        subscribe,
        onPing: () => (this.isSilent ? new Promise(() => {}) : undefined),
        onConnect: ({ connectionParams, extra }) => {
          const token = String(connectionParams?.Authorization).replace("Bearer ", "");
          if (this.rejectedTokens.has(token)) return false;
          this.accepted.push(token);
          this.open.add(token);
          extra.socket.on("close", () => this.open.delete(token));
          return true;
        },
      },
      this.#sockets,
    );
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Close all sockets with a code, as before a deployment. */
  closeSockets(code: number): void {
    for (const socket of this.#sockets.clients) socket.close(code);
  }

  stop(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.close();
  }

  get socketCount(): number {
    return [...this.#sockets.clients].filter(({ readyState }) => readyState === 1).length;
  }

  /** Add a change. The event of a broken one has an error instead of the row. */
  publish(noun: NounName, row: Task | Project, isBroken = false): void {
    this.#add(noun, { id: row.id, row, isBroken });
  }

  purge(noun: NounName, id: string): void {
    this.#add(noun, { id, row: null, isBroken: false });
  }

  #add(noun: NounName, entry: Entry): void {
    this.#feeds[noun].push(entry);
    this.#published.resolve();
    this.#published = Promise.withResolvers();
  }

  async *#subscribe(field: string, after: string | null) {
    this.followed.push(after);
    const feed = this.#feeds[field === "taskChanges" ? "tasks" : "projects"];
    if (after !== null && Number(after) < this.oldestCursor) throw expired();
    for (let at = after === null ? feed.length : Number(after); ; at += 1) {
      while (at >= feed.length) await this.#published.promise;
      const { id, row, isBroken } = feed[at] as Entry;
      const load = () => {
        if (isBroken) throw new GraphQLError("The row could not be read.");
        return row;
      };
      const cursor = String(at + 1);
      yield { [field]: { cursor, taskId: id, projectId: id, task: load, project: load } };
    }
  }

  #answer(document: unknown, after: string | null) {
    const { definitions } = document as { definitions: { name: { value: string } }[] };
    const name = definitions[0]?.name.value ?? "";
    this.queries.push(`${name} ${after}`);
    if (this.retryAfter !== null) {
      const headers = { "Retry-After": this.retryAfter };
      const graphQLErrors = [{ message: "no", extensions: { code: "UNAVAILABLE" } }];
      const response = new Response(null, { status: 503, headers });
      return { error: new CombinedError({ graphQLErrors, response }) };
    }
    if (name === "ChangeCursor") return { data: { viewer: { changeCursor: "0" } } };
    if (after !== null && Number(after) < this.oldestCursor)
      return { error: new CombinedError({ graphQLErrors: [expired()] }) };
    const feed = this.#feeds[name === "TaskChanges" ? "tasks" : "projects"];
    const nodes = feed.slice(Number(after));
    const endCursor = feed.length > 0 ? String(feed.length) : after;
    return { data: { changes: { nodes, pageInfo: { hasNextPage: false, endCursor } } } };
  }
}

function expired(): GraphQLError {
  const extensions = { code: "BAD_USER_INPUT", reason: "CURSOR_EXPIRED" };
  return new GraphQLError("The cursor is too old.", { extensions });
}
