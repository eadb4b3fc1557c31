import type { Metadata } from "next";
import type { ReactNode } from "react";
import { ChangeEmail } from "@/components/account/change-email";
import { ChangeName } from "@/components/account/change-name";
import { ChangePassword } from "@/components/account/change-password";
import { DeleteAccount } from "@/components/account/delete-account";
import { LeaveOnSignOut } from "@/components/account/leave-on-sign-out";
import { type SessionRow, Sessions } from "@/components/account/sessions";
import { GraphQL } from "@/components/graphql/graphql";
import { Header } from "@/components/header/header";
import { PageLink } from "@/components/header/page-link";
import { ToastOutlet, Toasts } from "@/components/toasts/toasts";
import { TasksFile } from "@/components/transfer/tasks-file";
import { config } from "@/lib/config";
import { describeDevice } from "@/lib/device";
import { HOME } from "@/lib/next-path";
import type { OwnSession } from "@/lib/own-sessions";
import { requireSession, sessionsOf } from "@/lib/session";

export const metadata: Metadata = { title: "Account" };

const MINUTE = 60_000;

function rowOf(session: OwnSession, current: string): SessionRow {
  const { id, createdAt, updatedAt, ipAddress, userAgent } = session;
  return {
    id,
    device: describeDevice(userAgent),
    ipAddress: ipAddress ?? "",
    signedInAt: createdAt.toISOString(),
    extendedAt: updatedAt.valueOf() - createdAt.valueOf() > MINUTE ? updatedAt.toISOString() : null,
    isCurrent: id === current,
  };
}

export default async function AccountPage() {
  const { user, session } = await requireSession("/account");
  const rows = (await sessionsOf(user.id)).map((each) => rowOf(each, session.id));
  // The current session first, then the latest.
  const sessions = [
    ...rows.filter((row) => row.isCurrent),
    ...rows.filter((row) => !row.isCurrent),
  ];
  return (
    <Toasts>
      <LeaveOnSignOut />
      <Header email={user.email} />
      <main
        className="mx-auto grid max-w-3xl gap-5 px-4 pt-8 pb-28 sm:px-6"
        id="content"
        tabIndex={-1}
      >
        <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
          <h1 className="text-2xl font-semibold tracking-tight">Account</h1>
          <PageLink className="link text-sm" href={HOME} name="The list of your tasks">
            Back to your tasks
          </PageLink>
        </div>
        <Card title="You">
          <ChangeName name={user.name} />
        </Card>
        <Card title="Email">
          <ChangeEmail email={user.email} isConfirmed={user.emailVerified} key={user.email} />
        </Card>
        <Card title="Your tasks as a file">
          <p className="mt-1 text-muted">
            Export all tasks to keep a copy or to use them elsewhere. You can import the file again:
            tasks that already exist stay unchanged.
          </p>
          <GraphQL apiUrl={config().apiUrl} owner={user.id}>
            <TasksFile />
          </GraphQL>
        </Card>
        <Card title="Where you are signed in">
          <p className="mt-1 text-muted">
            Don’t recognize a device? Sign out there and change your password.
          </p>
          <Sessions sessions={sessions} />
        </Card>
        <Card title="Password">
          <ChangePassword email={user.email} />
        </Card>
        <Card title="Delete account">
          <p className="mt-1 text-muted">
            Deletes your account and all its tasks. This cannot be undone.
          </p>
          <DeleteAccount email={user.email} />
        </Card>
      </main>
      <div className="page-foot">
        <ToastOutlet />
      </div>
    </Toasts>
  );
}

function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="rounded-2xl border border-line bg-surface p-5 sm:p-6">
      <h2 className="text-lg font-semibold">{title}</h2>
      {children}
    </section>
  );
}
