// What a page of Mercurius's, Yoga's or Apollo's would have: SQL that does what is asked for, and
// no more. No wall, no change numbers, no counted owner.
import { v7 } from "uuid";
import { patterns, rows } from "./pool.mjs";

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

const run = (statement, ...values) => rows(statement, values);

const chosen = (owner, { status, search, dueFrom }) => [
  owner,
  status ?? ["OPEN", "COMPLETED"],
  search == null ? null : patterns(search),
  dueFrom,
];

export const newest = (owner, filter, limit) => run(NEWEST, ...chosen(owner, filter), limit);
export const byDueDay = (owner, filter, limit) => run(BY_DUE_DAY, ...chosen(owner, filter), limit);
export const count = async (owner, filter) => (await run(COUNT, ...chosen(owner, filter)))[0].tasks;
export const one = async (owner, id) => (await run(ONE, owner, id))[0];
export const create = async (owner, title) =>
  (await run(CREATE, owner, v7(), title, title.toLowerCase()))[0];
export const update = async (owner, id, { completed, priority }) =>
  (await run(UPDATE, owner, [id], completed, priority))[0];
export const updateAll = (owner, ids, { completed }) => run(UPDATE, owner, ids, completed, null);
