import type { ConnectionState, Notification } from "./types.ts";

/** The messages of the live protocol, as the server sends them. */

export interface CountsBody {
  readonly unread_count: number;
  readonly unseen_count: number;
}

/** The counts of all notifications, and of those that are not archived. */
export interface MessageCounts extends CountsBody {
  readonly unarchived: CountsBody;
}

export interface Ready extends MessageCounts {
  readonly type: "ready";
  readonly position: string;
  readonly heartbeat_seconds: number;
}

/** One change of an inbox. The counts are those right after it. */
export interface InboxEvent extends MessageCounts {
  readonly type: "event";
  readonly position: string;
  readonly name: string;
  readonly data: {
    readonly id?: string;
    readonly notification?: Notification;
    readonly at?: number;
    readonly filters?: Record<string, unknown>;
    readonly client_id?: string;
  };
}

export interface Reset extends MessageCounts {
  readonly type: "reset";
  readonly position: string;
  readonly reason: string;
}

export interface Goodbye {
  readonly type: "goodbye";
  readonly code: number;
  readonly reason: string;
  readonly retry_after_ms: number | null;
}

export interface Renewed {
  readonly type: "renewed";
  readonly expires_at: number | null;
}

export interface Refusal {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

/** The state of the connection of the leading tab, which it passes on to the others. */
export interface StateMessage {
  readonly type: "state";
  readonly state: ConnectionState;
}

export type ServerMessage = Ready | InboxEvent | Reset | Goodbye | Renewed | Refusal | StateMessage | { readonly type: "pong" };
