import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Timers } from './timers.ts';
import { type Answer, JSON_TYPE } from './wire/answer.ts';

interface Scope {
  /** On `METHOD /path`, the path relative to the API: `POST /nodes/pve1/qemu/100/status/start`. Default: every call. */
  match?: RegExp | ((call: string) => boolean);
  /** The node whose address is called. Default: any. */
  node?: string;
  /** How often it strikes before it is used up. Default: until removed. */
  times?: number;
}

interface FaultKinds {
  /** Accepts the request and never answers. */
  hang: object;
  /** 200 with a page of a reverse proxy in place of the API's answer. */
  html: { body?: string };
  /** Half of the answer; then the socket dies, or with `end` the answer ends as if it were whole. */
  'truncated-json': { end?: boolean };
  /** A refusal in place of the answer, nothing is executed. With a `message` it has PVE's body, else none. */
  status: { code: number; reason?: string; message?: string };
  /** The socket dies before any byte of an answer. */
  close: object;
  /** The answer comes `ms` milliseconds late. */
  slow: { ms: number };
  /** The call is executed, then the socket dies without an answer. */
  'commit-then-close': object;
}

export type FaultKind = keyof FaultKinds;
export type Fault = { [Kind in FaultKind]: Scope & { kind: Kind } & FaultKinds[Kind] }[FaultKind];

/** One request that has arrived in full and waits for its answer. */
export interface Exchange {
  response: ServerResponse;
  socket: Socket;
  timers: Timers;
  /** Executes the call. */
  answer: () => Promise<Answer>;
  /** Sends what the call answered. */
  send: (answer: Answer) => void;
}

type Strike<Kind extends FaultKind> = (
  fault: Extract<Fault, { kind: Kind }>,
  exchange: Exchange,
) => void | Promise<void>;

const STRIKES: { [Kind in FaultKind]: Strike<Kind> } = {
  hang: () => undefined,
  html: ({ body = '<!DOCTYPE html><html><body><h1>It works!</h1></body></html>' }, exchange) => {
    exchange.send({ status: 200, reason: 'OK', type: 'text/html; charset=utf-8', body });
  },
  'truncated-json': async ({ end = false }, { answer, response, socket, ...exchange }) => {
    const whole = await answer();
    const half = whole.body.slice(0, Math.ceil(whole.body.length / 2));
    if (end) return exchange.send({ ...whole, body: half });
    response.writeHead(whole.status, {
      'Content-Type': whole.type ?? '',
      'Content-Length': whole.body.length,
    });
    // Only when the half is on the wire: a socket destroyed at once would take it along.
    response.write(half, () => socket.destroy());
  },
  status: ({ code, reason, message }, exchange) => {
    const body = message === undefined ? '' : JSON.stringify({ data: null, message: `${message}\n` });
    const type = message === undefined ? {} : { type: JSON_TYPE };
    exchange.send({ status: code, reason: reason ?? message ?? 'simulated fault', ...type, body });
  },
  close: (_fault, { socket }) => void socket.destroy(),
  slow: async ({ ms }, { timers, answer, ...exchange }) => {
    await timers.delay(ms);
    exchange.send(await answer());
  },
  'commit-then-close': async (_fault, { answer, socket }) => {
    await answer();
    socket.destroy();
  },
};

/** What goes wrong on purpose, added and removed while the cluster runs. */
export class Faults {
  readonly #active: { fault: Fault; left: number }[] = [];

  add(fault: Fault): { remove: () => void } {
    const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
    this.#active.push(entry);
    return { remove: () => this.#drop(entry) };
  }

  clear(): void {
    this.#active.length = 0;
  }

  /** The first fault that fits the call, counted as having struck. */
  take(node: string, call: string): Fault | undefined {
    const entry = this.#active.find(({ fault }) => fits(fault, node, call));
    if (!entry) return undefined;
    entry.left -= 1;
    if (entry.left <= 0) this.#drop(entry);
    return entry.fault;
  }

  #drop(entry: { fault: Fault; left: number }): void {
    const position = this.#active.indexOf(entry);
    if (position >= 0) this.#active.splice(position, 1);
  }
}

function fits({ match, node }: Scope, at: string, call: string): boolean {
  if (node !== undefined && node !== at) return false;
  if (match === undefined) return true;
  // `search` ignores lastIndex, so that a global RegExp does not skip every second call.
  return match instanceof RegExp ? call.search(match) >= 0 : match(call);
}

export async function strike<Kind extends FaultKind>(
  fault: Extract<Fault, { kind: Kind }>,
  exchange: Exchange,
): Promise<void> {
  const effect = STRIKES[fault.kind as Kind];
  await effect(fault, exchange);
}
