import { type Client, type ClientOptions, type Filter, InboxClient, type InboxOptions, type InboxState } from "inbox-gateway-client";
import {
  computed,
  type InjectionKey,
  inject,
  type MaybeRefOrGetter,
  onMounted,
  onScopeDispose,
  provide,
  type Ref,
  shallowRef,
  toValue,
  watch,
} from "vue";
import { Access, identityOf, NOTHING_YET, type SharedList } from "../core/access.ts";

const KEY: InjectionKey<Ref<Access>> = Symbol("inbox-gateway");

/** Options for a client, or a client of your own as `client`, which is never closed. */
export type ProvidedInbox = ClientOptions & { client?: Client };

/**
 * Share one client with this component and all inside it. Call it in `setup`.
 *
 * If the options are reactive, those of another user make another client, and another token is passed on.
 */
export function provideInbox(options: MaybeRefOrGetter<ProvidedInbox>): void {
  const current = () => toValue(options);
  const create = () => {
    const { client, ...rest } = current();
    if (client) return new Access(client, false);
    return new Access(new InboxClient({ ...rest, ...(rest.getToken && { getToken: () => current().getToken!() }) }), true);
  };
  const access = shallowRef(create());
  provide(KEY, access);
  watch(
    () => identityOf({ ...current(), client: undefined } as ClientOptions),
    () => (access.value = create()),
    { flush: "sync" },
  );
  watch(
    () => current().client,
    () => (access.value = create()),
    { flush: "sync" },
  );
  watch(
    () => current().token,
    (token) => token && access.value.client.renew(token),
  );
  whileMounted(access, (held) => held.hold());
}

/** Return the client of `provideInbox`. Throws Error if it was not called in a component outside. */
export function useInbox(): Readonly<Ref<Client>> {
  const access = useRequiredAccess();
  return computed(() => access.value.client);
}

/** Return what `provideInbox` of a component outside shares, undefined without one. */
export function useAccess(): Ref<Access> | undefined {
  return inject(KEY, undefined);
}

export interface Notifications {
  /** Replaced after each change. In templates, `state.notifications`. */
  state: Readonly<Ref<InboxState>>;
  /** Fetch older notifications. */
  loadMore(): Promise<void>;
  /** Fetch again after `state.error`. */
  retry(): void;
}

/** Return the notifications that match a filter, in step with the gateway. Equal filters share one list. */
export function useNotifications(
  filter: MaybeRefOrGetter<Filter> = {},
  options: Omit<InboxOptions, "filter"> = {},
): Notifications {
  const access = useRequiredAccess();
  const state = shallowRef(NOTHING_YET);
  const list = shallowRef<SharedList>();
  const wanted = shallowRef<[Access, string]>([access.value, ""]);
  watch(
    () => [access.value, JSON.stringify({ ...options, filter: toValue(filter) })] as [Access, string],
    (next) => (wanted.value = next),
    { immediate: true },
  );
  whileMounted(wanted, ([of, key]) => {
    const shown = of.list(JSON.parse(key));
    const show = () => (state.value = shown.store.state);
    const stop = shown.subscribe(show);
    list.value = shown;
    show();
    return stop;
  });
  return {
    state,
    loadMore: async () => list.value?.store.loadMore(),
    retry: () => list.value?.store.retry(),
  };
}

/** Return how many notifications are unread, without archived ones. */
export function useUnreadCount(): Readonly<Ref<number>> {
  const access = useRequiredAccess();
  const count = shallowRef(0);
  whileMounted(access, ({ client }) => {
    const show = () => (count.value = client.counts.unreadCount);
    client.addEventListener("counts", show);
    show();
    return () => client.removeEventListener("counts", show);
  });
  return count;
}

function useRequiredAccess(): Ref<Access> {
  const access = useAccess();
  if (!access) throw new Error("inbox-gateway: call provideInbox() in a component around those that use an inbox.");
  return access;
}

/** Use a value while the component is mounted, and again each time it is replaced. A server mounts nothing. */
function whileMounted<Value>(source: Ref<Value>, use: (value: Value) => () => void): void {
  let stop: (() => void) | undefined;
  onMounted(() => {
    watch(
      source,
      (value) => {
        const before = stop;
        stop = use(value);
        before?.();
      },
      { immediate: true },
    );
  });
  onScopeDispose(() => stop?.());
}
