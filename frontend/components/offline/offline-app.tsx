"use client";

import { useEffect, useState } from "react";
import { GraphQL } from "@/components/graphql/graphql";
import { Wordmark } from "@/components/header/wordmark";
import { TasksProvider } from "@/components/tasks/tasks-provider";
import { localToday } from "@/components/tasks/today";
import { viewOf } from "@/components/tasks/view";
import { Workspace } from "@/components/tasks/workspace";
import { Toasts } from "@/components/toasts/toasts";
import { HOME } from "@/lib/next-path";
import { type Person, readPerson } from "./offline-copy";

/**
 * The page that the service worker shows when the server does not answer. At the address of the
 * tasks page, it shows the app with the rows that are stored in the browser. At other addresses, it
 * shows a message.
 *
 * @param apiUrl the origin of the GraphQL API, which the app requests when the network returns.
 */
export function OfflineApp({ apiUrl }: { apiUrl: string }) {
  const [person, setPerson] = useState<Person | null>();
  useEffect(() => void readPerson().then(setPerson), []);
  if (person === undefined) {
    return (
      <p className="sr-only" role="status">
        Opening…
      </p>
    );
  }
  const { pathname, search } = window.location;
  if (person === null || pathname !== HOME) {
    return <NeedsServer hasCopy={person !== null} isHome={pathname === HOME} />;
  }
  return (
    <GraphQL apiUrl={apiUrl} owner={person.id}>
      <Toasts>
        <TasksProvider
          person={person}
          seed={null}
          today={localToday()}
          view={viewOf(new URLSearchParams(search))}
        >
          <Workspace email={person.email} isSeeded={false} />
        </TasksProvider>
      </Toasts>
    </GraphQL>
  );
}

function NeedsServer({ hasCopy, isHome }: { hasCopy: boolean; isHome: boolean }) {
  const isOffline = !navigator.onLine;
  return (
    <main className="mx-auto flex min-h-dvh max-w-sm flex-col items-start justify-center px-6 py-12">
      <Wordmark />
      <h1 className="mt-8 text-2xl font-semibold tracking-tight">
        {isOffline ? "You are offline" : "The server does not answer"}
      </h1>
      <p className="mt-3 text-muted">
        {isHome ? "There is no copy of your tasks on this device." : "This page needs the server."}{" "}
        {isOffline
          ? "Connect to the internet, then try again."
          : "Check your connection, then try again."}
        {hasCopy && " You can work on your tasks in the meantime."}
      </p>
      <div className="mt-6 flex flex-wrap gap-3">
        <button
          className="button button-primary"
          onClick={() => window.location.reload()}
          type="button"
        >
          Try again
        </button>
        {hasCopy && (
          // A plain link, because the router would request the page from the server.
          <a className="button" href={HOME}>
            Open your tasks
          </a>
        )}
      </div>
    </main>
  );
}
