// The API's own statements, as it hands them to the race: with its wall, its change numbers, and
// an owner whose tasks are counted. What it makes up for a new task is made up here, too.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { v7 } from "uuid";
import { rows } from "./pool.mjs";

const STATEMENTS = JSON.parse(readFileSync(process.env.STATEMENTS, "utf8"));
const NIL = "00000000-0000-0000-0000-000000000000";
const LAST = { after: "infinity", after_id: "ffffffff-ffff-ffff-ffff-ffffffffffff" };
const FIRST = { after: "-infinity", after_id: NIL, after_null: NIL };

function run(name, owner, values) {
  const { text, names, constants } = STATEMENTS[name];
  const given = { ...constants, ...values };
  return rows({ name, text }, [owner, ...names.map((each) => given[each])]);
}

const found = async (name, owner, values) => (await run(name, owner, values)).map(task);

const task = (row) => ({
  id: row.id,
  title: row.title,
  description: row.description,
  completed: row.completed,
  completedAt: row.completed_at,
  priority: row.priority,
  dueOn: row.due_on,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

const chosen = ({ status, search, dueFrom }) => ({
  statuses: status ?? ["COMPLETED", "OPEN"],
  filter_search: search == null ? null : literals(search),
  filter_due_from: dueFrom,
});
const literals = (search) =>
  search
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => `***=${word}`);
const isNarrow = ({ search, dueFrom }) => search != null || dueFrom != null;

export const newest = (owner, filter, limit) =>
  found(isNarrow(filter) ? "narrow" : "newest", owner, { ...chosen(filter), ...LAST, limit });
export const byDueDay = (owner, filter, limit) =>
  found("by due day", owner, { ...chosen(filter), ...FIRST, limit });
export const count = async (owner, filter) =>
  Number((await run("count", owner, chosen(filter)))[0].total);
export const one = async (owner, id) => (await found("one", owner, { id }))[0];

export async function create(owner, title) {
  const digest = createHash("sha256").update(JSON.stringify({ title })).digest("hex");
  const given = {
    id: v7(),
    input_digest: `\\x${digest}`,
    title,
    description: "",
    completed: false,
    priority: 0,
    due_on: null,
    labels: [],
    position: "a0",
    title_folded: title.toLowerCase(),
    description_folded: "",
  };
  return (await found("create", owner, { given: JSON.stringify([given]), how_many: 1 }))[0];
}

function patch({ completed, priority }) {
  return {
    has_title: false,
    has_description: false,
    has_completed: completed !== undefined,
    new_completed: completed,
    has_priority: priority !== undefined,
    new_priority: priority,
    has_due_on: false,
    has_labels: false,
    has_position: false,
  };
}

export const update = async (owner, id, changes) =>
  (await found("update", owner, { id, ...patch(changes) }))[0];
export const updateAll = (owner, ids, changes) =>
  found("update all", owner, { ids, ...patch(changes), add_labels: [], remove_labels: [] });
