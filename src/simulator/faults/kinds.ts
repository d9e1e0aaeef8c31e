import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ClusterState } from '../state/cluster-state.ts';
import type { Timers } from '../timers.ts';
import type { Answer } from '../wire/answer.ts';

export interface Scope {
  /** On `METHOD /path`, the path relative to the API: `POST /nodes/pve1/qemu/100/status/start`. Default: every call. */
  match?: RegExp | ((call: string) => boolean);
  /** The node whose address is called. Default: any. */
  node?: string;
  /** How often it strikes before it is used up. Default: until removed. */
  times?: number;
  /** It is removed after so many seconds of real time. Default: never. */
  seconds?: number;
  /** The share of the calls that fit which it strikes, evenly spread; default 1, all of them. */
  rate?: number;
}

/** Faults in the answer to one call. */
export interface AnswerFaults {
  /** Accepts the request and never answers. */
  hang: object;
  /** 200 with a page of a reverse proxy in place of the API's answer. */
  html: { body?: string };
  /** Half of the answer; then the socket dies, or with `end` the answer ends as if it were whole. */
  'truncated-json': { end?: boolean };
  /** A refusal in place of the answer, nothing is executed. With a `message` it has PVE's body, else none. */
  status: { code: number; reason?: string; message?: string };
  /** 500, 502, 503 and 504 in turn, nothing is executed. */
  storm: object;
  /** The node that answers could not reach the one the call is for: 595 (default), 596 or 599. */
  'proxy-error': { code?: 595 | 596 | 599 };
  /** To another host, nothing is executed. */
  redirect: { location?: string; code?: 301 | 302 | 307 | 308 };
  /** The socket dies before any byte of an answer. */
  close: object;
  /** The answer comes `ms` milliseconds late. */
  slow: { ms: number };
  /** One byte of the answer's head per `ms`, default 1000; the body follows at once. */
  'slow-headers': { ms?: number };
  /** The head at once, then one byte of the body per `ms`, default 1000. */
  'slow-body': { ms?: number };
  /** The call is executed, then the socket dies without an answer. */
  'commit-then-close': object;
  /** Every ticket issued so far is invalid from this call on; a new login works. */
  'expired-ticket': object;
  /** The token of this call, or the one named `user@realm!name`, is gone from this call on; removal brings it back. */
  'revoked-token': { token?: string };
  /** Tasks that the call starts end with this error. */
  'task-error': { message?: string };
  /** Tasks that the call starts end with `WARNINGS: n`. */
  'task-warnings': { count?: number };
  /** Tasks that the call starts have so many lines in their log; default 100,000. */
  'task-log': { lines?: number };
}

/** Faults of a node's connections; `match` and `rate` don't count, `times` counts connections. */
export interface ConnectionFaults {
  /** TCP is accepted, TLS never begins; what is asked over older connections is never answered. */
  blackhole: object;
  /** TLS works, but nothing is ever answered. */
  'half-open': object;
}

/** Faults that last from when they are added until they are removed; of the scope, `node` and `seconds` count. */
export interface LastingFaults {
  /** Nothing listens any more, and the other nodes can't reach it either. Without a `node` all are down. */
  'node-down': object;
  /** New connections see a certificate that has expired, by the same authority. */
  'certificate-expired': object;
  /** … one for other.invalid, by the same authority. */
  'certificate-name': object;
  /** … one that nobody knows. */
  'certificate-changed': object;
  /** The guest has this lock; without one another process holds its configuration file. */
  'lock-held': { vmid: number; lock?: string };
  /** Writes are refused, though every node answers. */
  'quorum-lost': object;
  'storage-full': { storage: string };
  /** The node's clock is so many seconds ahead, or with a negative number behind. Without a `node` that of all. */
  'clock-skew': { ahead: number };
}

export type FaultKinds = AnswerFaults & ConnectionFaults & LastingFaults;
export type FaultKind = keyof FaultKinds;
export type FaultOf<Kind extends FaultKind> = Scope & { kind: Kind } & FaultKinds[Kind];
type AnyOf<Kinds extends FaultKind> = { [Kind in Kinds]: FaultOf<Kind> }[Kinds];
export type AnswerFault = AnyOf<keyof AnswerFaults>;
export type ConnectionFault = AnyOf<keyof ConnectionFaults>;
export type LastingFault = AnyOf<keyof LastingFaults>;
export type Fault = AnyOf<FaultKind>;

/** One request that has arrived in full and waits for its answer. */
export interface Exchange {
  state: ClusterState;
  request: IncomingMessage;
  response: ServerResponse;
  socket: Socket;
  timers: Timers;
  /** How often the fault has struck before. */
  struck: number;
  /** Executes the call. */
  answer: () => Promise<Answer>;
  /** Sends what the call answered. */
  send: (answer: Answer) => void;
}

/** A node as faults see it. */
export interface FaultyNode {
  name: string;
  /** Stops listening and cuts every connection. */
  goDown: () => Promise<void>;
  comeUp: () => Promise<void>;
  /** Shows another certificate from now on, or with undefined its own, and cuts every connection. */
  present: (certificate: 'expired' | 'name' | 'changed' | undefined) => Promise<void>;
}

/** What lasting faults work on. */
export interface FaultContext {
  state: ClusterState;
  nodes: readonly FaultyNode[];
}
