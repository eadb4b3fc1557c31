// One schema and one set of resolvers, so that the servers differ in nothing else.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";

const database = await import(
  process.env.STATEMENTS ? "./same-statements.mjs" : "./statements.mjs"
);
const PRIORITIES = ["NONE", "LOW", "MEDIUM", "HIGH", "URGENT"];

function microseconds(moment) {
  if (moment instanceof Date) return moment.getTime() * 1000;
  return Date.parse(moment) * 1000 + Number(moment.slice(23, 26));
}

export function cursor(owner, { id, createdAt }) {
  const position = `${microseconds(createdAt)}\x1f${id}`;
  const scope = `${owner}\0tasks\0created_at desc\0statuses=['COMPLETED', 'OPEN']`;
  const digest = createHash("sha256").update(scope).digest().subarray(0, 8);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(position));
  return Buffer.concat([digest, checksum, Buffer.from(position)]).toString("base64");
}

async function tasks(_, { first, filter, orderBy }, { owner }) {
  const chosen = filter ?? {};
  const rows = await (orderBy ? database.byDueDay : database.newest)(owner, chosen, first + 1);
  return { chosen, nodes: rows.slice(0, first), more: rows.length > first };
}

export const typeDefs = readFileSync(new URL("../../schema.graphql", import.meta.url), "utf8");

export const resolvers = {
  Query: {
    task: (_, { id }, { owner }) => database.one(owner, id),
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
    totalCount: ({ chosen }, _, { owner }) => database.count(owner, chosen),
  },
  Mutation: {
    createTask: async (_, { input: { title } }, { owner }) => ({
      task: await database.create(owner, title),
    }),
    updateTask: async (_, { id, patch: { completed, priority } }, { owner }) => {
      const level = priority && PRIORITIES.indexOf(priority);
      return { task: await database.update(owner, id, { completed, priority: level }) };
    },
    updateTasks: async (_, { ids, patch: { completed } }, { owner }) => {
      const rows = await database.updateAll(owner, ids, { completed });
      const found = new Map(rows.map((row) => [row.id, row]));
      return { tasks: ids.map((id) => found.get(id)) };
    },
  },
};
