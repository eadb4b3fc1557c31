// Projects with their tasks on Mercurius. Its loaders read each level in one statement, however many
// parents there are. Like statements.mjs, the statements have no row security.
import { serve } from "./fastify.mjs";
import { rows } from "./pool.mjs";
import { cursor, typeDefs } from "./tasks.mjs";

const SHOWN = "status in ('OPEN', 'COMPLETED')";
const PROJECTS = {
  name: "projects",
  text: `select id, name from tasks.projects where owner_id = $1 and status = 'ACTIVE'
    order by position, id limit $2`,
};
const PROJECTS_BY_ID = {
  name: "projects by id",
  text: "select id, name from tasks.projects where owner_id = $1 and id = any($2)",
};
const COUNTS = {
  name: "counts",
  text: `select project_id as "projectId", count(*)::int as total from tasks.tasks
    where owner_id = $1 and project_id = any($2) and ${SHOWN} group by project_id`,
};
// The sort of a page reads all tasks of the project. So a window function can count them, too.
const PAGES = {
  name: "pages",
  text: `select page.* from unnest($2::uuid[]) as parent(id), lateral (
      select id, title, project_id as "projectId", created_at as "createdAt",
        count(*) over ()::int as total
      from tasks.tasks where owner_id = $1 and project_id = parent.id and ${SHOWN}
      order by created_at desc, id desc limit $3
    ) as page`,
};

async function pages(queries, { owner }) {
  const limit = Math.max(...queries.map(({ params }) => params.first)) + 1;
  const ids = queries.map(({ obj }) => obj.id);
  const found = new Map(ids.map((id) => [id, []]));
  for (const task of await rows(PAGES, [owner, ids, limit])) found.get(task.projectId).push(task);
  return queries.map(({ obj, params: { first } }) => {
    const tasks = found.get(obj.id);
    return {
      nodes: tasks.slice(0, first),
      more: tasks.length > first,
      totalCount: tasks[0]?.total ?? 0,
    };
  });
}

async function counts(queries, { owner }) {
  const ids = queries.map(({ obj }) => obj.id);
  const counted = await rows(COUNTS, [owner, ids]);
  const totals = new Map(counted.map(({ projectId, total }) => [projectId, total]));
  return ids.map((id) => totals.get(id) ?? 0);
}

async function projectsOfTasks(queries, { owner }) {
  const ids = queries.map(({ obj }) => obj.projectId);
  const projects = await rows(PROJECTS_BY_ID, [owner, [...new Set(ids)]]);
  const found = new Map(projects.map((project) => [project.id, project]));
  return ids.map((id) => found.get(id));
}

await serve({
  schema: typeDefs,
  resolvers: {
    Query: {
      projects: async (_, { first }, { owner }) => ({ nodes: await rows(PROJECTS, [owner, first]) }),
    },
    TaskConnection: {
      pageInfo: ({ nodes, more }, _, { owner }) => ({
        hasNextPage: more,
        endCursor: nodes.length ? cursor(owner, nodes.at(-1)) : null,
      }),
    },
  },
  loaders: {
    Project: { tasks: pages, taskCount: counts },
    Task: { project: projectsOfTasks },
  },
});
