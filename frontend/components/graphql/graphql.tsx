"use client";

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { type Client, Provider } from "urql";
import { beforeLeaving, goToSignIn, leaveOnSignOut } from "@/components/account/signed-out";
import { AccessToken } from "@/lib/access-token";
import { createClient } from "@/lib/graphql";

type Identity = {
  /** The origin of the GraphQL API for browsers. */
  apiUrl: string;
  /** The user id of the session for which the page was rendered. */
  owner: string;
};

type Session = Identity & { accessToken: AccessToken };

const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession is used outside GraphQL");
  return session;
}

type Access = { session: Session; client: Client };

/**
 * The access of the latest page in this document, for its next page. It is set by effects only,
 * which do not run on the server, where many people share the memory.
 */
let latest: Access | undefined;

function openAccess({ apiUrl, owner }: Identity): Access {
  const is = latest?.session;
  if (latest && is?.owner === owner && is.apiUrl === apiUrl) return latest;
  const session = { apiUrl, owner, accessToken: new AccessToken(owner) };
  return { session, client: createClient(apiUrl, session.accessToken, goToSignIn) };
}

/**
 * Provides the person's access token and a GraphQL client that sends it: the same ones on each page
 * that the person goes to without loading a document.
 */
export function GraphQL({ children, ...identity }: Identity & { children: ReactNode }) {
  const [access] = useState(() => openAccess(identity));
  const { session, client } = access;

  useEffect(() => {
    latest = access;
    const { accessToken } = access.session;
    const close = () => accessToken.close();
    const stopListening = leaveOnSignOut();
    const forget = beforeLeaving(close);
    // The browser restored the page from its cache: another person may have signed in since.
    const reload = (event: PageTransitionEvent) => {
      if (event.persisted) window.location.reload();
    };
    window.addEventListener("pageshow", reload);
    window.addEventListener("pagehide", close);
    return () => {
      window.removeEventListener("pageshow", reload);
      window.removeEventListener("pagehide", close);
      stopListening();
      forget();
      close();
    };
  }, [access]);

  return (
    <SessionContext value={session}>
      <Provider value={client}>{children}</Provider>
    </SessionContext>
  );
}
