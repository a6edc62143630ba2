import { type Client, type ClientOptions, InboxClient } from "inbox-gateway-client";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import { Access, identityOf } from "../core/access.ts";

export interface InboxProviderProps extends ClientOptions {
  /** A client of your own, instead of options for one. The provider connects it and never closes it. */
  client?: Client;
  children?: ReactNode;
}

const InboxContext = createContext<Access | null>(null);

/** Share one client with all components inside. Other options make another client; another token is passed on. */
export function InboxProvider({ client, children, ...options }: InboxProviderProps) {
  const { token, getToken } = options;
  const latest = useRef(getToken);
  const access = useMemo(
    () => {
      if (client) return new Access(client, false);
      // The function of the latest rendering is called, so that a page may pass a new one each time.
      const renewing = getToken && { getToken: () => latest.current!() };
      return new Access(new InboxClient({ ...options, ...renewing }), true);
    },
    [client, identityOf(options)], // a new token alone makes no new client
  );
  const passed = useRef({ access, token });
  useEffect(() => {
    latest.current = getToken;
  });
  useEffect(() => {
    const before = passed.current;
    passed.current = { access, token };
    if (token && before.access === access && before.token !== token) access.client.renew(token);
  }, [access, token]);
  useEffect(() => access.hold(), [access]);
  return <InboxContext.Provider value={access}>{children}</InboxContext.Provider>;
}

/** Return what the next provider outside shares, null without one. */
export function useAccess(): Access | null {
  return useContext(InboxContext);
}

/** Return the client of the next `<InboxProvider>` outside. Throws Error if there is none. */
export function useInbox(): Client {
  return useRequiredAccess().client;
}

export function useRequiredAccess(): Access {
  const access = useAccess();
  if (!access) throw new Error("inbox-gateway: put <InboxProvider> around the components that use an inbox.");
  return access;
}
