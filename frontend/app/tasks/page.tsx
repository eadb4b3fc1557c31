import type { Metadata } from "next";
import { cookies } from "next/headers";
import { GraphQL } from "@/components/graphql/graphql";
import { InstallServiceWorker } from "@/components/offline/install-service-worker";
import { TasksProvider } from "@/components/tasks/tasks-provider";
import { TIME_ZONE_COOKIE, todayIn } from "@/components/tasks/today";
import { pathOf, taskOf, viewOf, viewTitle } from "@/components/tasks/view";
import { Workspace } from "@/components/tasks/workspace";
import { Toasts } from "@/components/toasts/toasts";
import { config } from "@/lib/config";
import { firstPage } from "@/lib/first-page";
import { requireSession } from "@/lib/session";

type Search = Record<string, string | string[] | undefined>;

const queryOf = (search: Search) => ({
  get(name: string) {
    const value = search[name];
    return typeof value === "string" ? value : null;
  },
});

export async function generateMetadata({ searchParams }: PageProps<"/tasks">): Promise<Metadata> {
  return { title: viewTitle(viewOf(queryOf(await searchParams))) };
}

export default async function TasksPage({ searchParams }: PageProps<"/tasks">) {
  const query = queryOf(await searchParams);
  const view = viewOf(query);
  const { user, session } = await requireSession(pathOf(view, taskOf(query)));
  const today = todayIn((await cookies()).get(TIME_ZONE_COOKIE)?.value);
  const seed = await firstPage(view, today);
  const person = { id: user.id, email: user.email, sessionEndsAt: session.expiresAt.valueOf() };
  return (
    <GraphQL apiUrl={config().apiUrl} owner={user.id}>
      <InstallServiceWorker />
      <Toasts>
        <TasksProvider person={person} seed={seed} today={today} view={view}>
          <Workspace email={user.email} isSeeded={seed !== null} />
        </TasksProvider>
      </Toasts>
    </GraphQL>
  );
}
