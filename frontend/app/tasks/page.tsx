import type { Metadata } from "next";
import { GraphQL } from "@/components/graphql/graphql";
import { Header } from "@/components/header/header";
import { Tasks } from "@/components/tasks/tasks";
import { viewOf, viewPath } from "@/components/tasks/view";
import { Toasts } from "@/components/toasts/toasts";
import { config } from "@/lib/config";
import { requireSession } from "@/lib/session";

export const metadata: Metadata = { title: "Tasks" };

export default async function TasksPage({ searchParams }: PageProps<"/tasks">) {
  const { view } = await searchParams;
  const { user } = await requireSession(viewPath(viewOf(typeof view === "string" ? view : null)));
  return (
    <GraphQL apiUrl={config().apiUrl} owner={user.id}>
      <Toasts>
        <Header email={user.email} />
        <main className="mx-auto grid max-w-3xl gap-4 px-4 pt-8 pb-28 sm:px-6">
          <h1 className="sr-only">Tasks</h1>
          <Tasks />
        </main>
      </Toasts>
    </GraphQL>
  );
}
