import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { Graphiql } from "@/components/graphiql/graphiql";
import { GraphQL } from "@/components/graphql/graphql";
import { config } from "@/lib/config";
import { requireSession } from "@/lib/session";

export const metadata: Metadata = { title: "GraphiQL" };

export default async function GraphiqlPage() {
  if (config().trustedDocumentsOnly) notFound();
  const { user } = await requireSession("/graphiql");
  return (
    <GraphQL apiUrl={config().apiUrl} owner={user.id}>
      <main className="h-dvh">
        <h1 className="sr-only">GraphiQL</h1>
        <Graphiql />
      </main>
    </GraphQL>
  );
}
