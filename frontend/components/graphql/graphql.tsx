"use client";

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { Provider } from "urql";
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

/** Provides the person's access token and a GraphQL client that sends it. */
export function GraphQL({ apiUrl, owner, children }: Identity & { children: ReactNode }) {
  const [session] = useState(() => ({ apiUrl, owner, accessToken: new AccessToken(owner) }));
  const [client] = useState(() => createClient(apiUrl, session.accessToken, goToSignIn));

  useEffect(() => {
    const { accessToken } = session;
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
  }, [session]);

  return (
    <SessionContext value={session}>
      <Provider value={client}>{children}</Provider>
    </SessionContext>
  );
}
