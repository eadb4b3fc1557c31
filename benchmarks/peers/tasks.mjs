// One schema, one set of resolvers and one pool, so that the servers differ in nothing else.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import pg from "pg";
import { v7 } from "uuid";

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL,
  options: "-c timezone=UTC",
  max: 10,
});

const PRIORITIES = ["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"];

// A Date of JavaScript's has no microseconds.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => {
  const [seconds, fraction] = text.slice(0, -"+00".length).split(".");
  return `${seconds.replace(" ", "T")}${fraction ? `.${fraction.padEnd(6, "0")}` : ""}Z`;
});
pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text);
const SHOWN = `id, title, description, completed, completed_at as "completedAt", priority,
  due_on as "dueOn", version, created_at as "createdAt", updated_at as "updatedAt"`;
const CHOSEN = `owner_id = $1 and status = any($2)
  and ($3::text[] is null or
    title_folded || E'\\n' || description_folded || E'\\n' || array_to_string(labels, E'\\n')
      like all($3))
  and ($4::date is null or due_on >= $4)`;

// Named, which is how pg prepares a statement once for each connection.
const ONE = {
  name: "one",
  text: `select ${SHOWN} from tasks.tasks where owner_id = $1 and id = $2`,
};
const NEWEST = {
  name: "newest",
  text: `select ${SHOWN} from tasks.tasks where ${CHOSEN}
    order by created_at desc, id desc limit $5`,
};
const BY_DUE_DAY = {
  name: "by due day",
  text: `select ${SHOWN} from tasks.tasks where ${CHOSEN}
    order by due_on nulls last, id limit $5`,
};
const COUNT = {
  name: "count",
  text: `select count(*)::int as tasks from tasks.tasks where ${CHOSEN}`,
};
const CREATE = {
  name: "create",
  text: `insert into tasks.tasks (owner_id, id, title, title_folded, position)
    values ($1, $2, $3, $4, 'a0') returning ${SHOWN}`,
};
const UPDATE = {
  name: "update",
  text: `update tasks.tasks set
      completed = coalesce($3, completed),
      completed_at = case when coalesce($3, completed) then coalesce(completed_at, now()) end,
      priority = coalesce($4, priority),
      version = version + 1,
      updated_at = now()
    where owner_id = $1 and id = any($2) returning ${SHOWN}`,
};

async function run(statement, ...values) {
  return (await pool.query({ ...statement, values })).rows;
}

function patterns(search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.map((word) => `%${word.replace(/[\\%_]/g, "\\$&")}%`);
}

function cursor(owner, { id, createdAt }) {
  const microseconds = Date.parse(createdAt) * 1000 + Number(createdAt.slice(23, 26));
  const position = `${microseconds}\x1f${id}`;
  const scope = `${owner}\0created_at desc\0statuses=['COMPLETED', 'OPEN']`;
  const digest = createHash("sha256").update(scope).digest().subarray(0, 8);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(position));
  return Buffer.concat([digest, checksum, Buffer.from(position)]).toString("base64url");
}

async function tasks(_, { first, filter, orderBy }, { owner }) {
  const chosen = [
    owner,
    filter?.status ?? ["OPEN", "COMPLETED"],
    filter?.search == null ? null : patterns(filter.search),
    filter?.dueFrom,
  ];
  const rows = await run(orderBy ? BY_DUE_DAY : NEWEST, ...chosen, first + 1);
  return { chosen, nodes: rows.slice(0, first), more: rows.length > first };
}

export const typeDefs = readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8");

export const resolvers = {
  Query: {
    task: async (_, { id }, { owner }) => (await run(ONE, owner, id))[0],
    tasks,
  },
  Task: {
    priority: ({ priority }) => PRIORITIES[priority],
  },
  TaskConnection: {
    edges: ({ nodes }, _, { owner }) =>
      nodes.map((node) => ({ cursor: cursor(owner, node), node })),
    pageInfo: ({ nodes, more }, _, { owner }) => ({
      hasNextPage: more,
      endCursor: nodes.length ? cursor(owner, nodes.at(-1)) : null,
    }),
    totalCount: async ({ chosen }) => (await run(COUNT, ...chosen))[0].tasks,
  },
  Mutation: {
    createTask: async (_, { input: { title } }, { owner }) => {
      const [task] = await run(CREATE, owner, v7(), title, title.toLowerCase());
      return { task };
    },
    updateTask: async (_, { id, patch: { completed, priority } }, { owner }) => {
      const level = priority && PRIORITIES.indexOf(priority);
      const [task] = await run(UPDATE, owner, [id], completed, level);
      return { task };
    },
    updateTasks: async (_, { ids, patch: { completed } }, { owner }) => {
      const rows = await run(UPDATE, owner, ids, completed, null);
      const found = new Map(rows.map((row) => [row.id, row]));
      return { tasks: ids.map((id) => found.get(id)) };
    },
  },
};
