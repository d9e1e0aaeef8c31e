/**
 * Sends requests as fast as they are answered, as a process of its own, and counts the answers. It is told what to do by
 * messages, each of which it answers with one; see load.ts.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { Order, Target } from './load.ts';
import { type RawAnswer, RawConnection, RawStream, StreamEnded } from './raw-http.ts';

interface Client {
  /** One request and its answer. @throws Error where that is none, or not the one that was wanted */
  once(): Promise<void>;
  /** Closes what only requests need. */
  rest(): void;
  isClosed(): boolean;
  close(): void;
}

const AT_ONCE = 50;
const MOST_TRIES = 20;
const BUSY_MS = 1_000;
const FIRST_ID = 10;
const LARGE = 8192;
const targets = new Map<string, Client[]>();

process.on('message', async (order: Order) => {
  try {
    process.send?.({ ok: await obey(order) });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', () => process.exit());

async function obey(order: Order): Promise<unknown> {
  if (order.do === 'open') {
    const { target, connections } = order;
    targets.set(target.name, await Promise.all(Array.from({ length: connections }, () => clientOf(target))));
    return undefined;
  }
  if (order.do === 'hold') return await hold(order.target, order.connections);
  const clients = targets.get(order.name) ?? [];
  if (order.do === 'dropped') return clients.filter(({ isClosed }) => isClosed()).length;
  if (order.do === 'run') return await run(clients, order.milliseconds);
  for (const client of clients) client.close();
  targets.delete(order.name);
  return undefined;
}

/**
 * A few at a time: a thousand at once would wait in the queue of the listening socket.
 *
 * @returns how often the service was too busy to open one
 */
async function hold(target: Target, connections: number): Promise<number> {
  const clients: Client[] = [];
  let refused = 0;
  const onRefused = (): void => {
    refused += 1;
  };
  while (clients.length < connections) {
    const batch = Array.from({ length: Math.min(AT_ONCE, connections - clients.length) }, () =>
      patientClient(target, onRefused),
    );
    clients.push(...(await Promise.all(batch)));
    // What is idle posts nothing.
    for (const client of clients.slice(-AT_ONCE)) client.rest();
  }
  targets.set(target.name, clients);
  return refused;
}

/** Comes again where the service has too much to do, as it does on a machine that works for others. */
async function patientClient(target: Target, onRefused: () => void): Promise<Client> {
  for (let left = MOST_TRIES; ; left--) {
    try {
      return await sseClient(target);
    } catch (error) {
      if (!(error instanceof StreamEnded && error.isBusy) || left === 0) throw error;
      onRefused();
      await sleep(BUSY_MS);
    }
  }
}

/** @returns how many were answered, in how many milliseconds */
async function run(
  clients: readonly Client[],
  milliseconds: number,
): Promise<{ answers: number; ms: number }> {
  let answers = 0;
  const startedAt = performance.now();
  const until = startedAt + milliseconds;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < until) {
        await client.once();
        answers++;
      }
    }),
  );
  return { answers, ms: performance.now() - startedAt };
}

async function clientOf(target: Target): Promise<Client> {
  if (target.door === 'sse') return await sseClient(target);
  const connection = await RawConnection.open(target.port);
  const session = target.door === 'session' ? await openSession(connection, target) : {};
  const render = rendered(target, session);
  let id = FIRST_ID;
  const client: Client = {
    async once() {
      check(await connection.send(render(id++)), target, id === FIRST_ID + 1);
    },
    rest: () => undefined,
    isClosed: () => connection.isClosed,
    close: () => connection.close(),
  };
  // A connection on which no request was begun counts as a slow one, and is closed.
  await client.once();
  return client;
}

/** Large answers are read once per connection: to read each would cost more than to make it. */
function check({ status, head, body }: RawAnswer, { name }: Target, isFirst: boolean): void {
  const isPacked = /\r\ncontent-encoding: gzip/i.test(head);
  const isRead = isFirst || (!isPacked && body.length < LARGE);
  const text = isRead ? (isPacked ? gunzipSync(body) : body).toString() : '"result"';
  if (status === 200 && text.includes('"result"') && !text.includes('"isError":true')) return;
  throw new Error(`${name} answered ${status}: ${text.slice(0, 600)}`);
}

/** Of a session as the revisions before 2026-07-28 have it. */
async function openSession(connection: RawConnection, target: Target): Promise<Record<string, string>> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  };
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
  const { head, status } = await connection.send(request(target, {}, JSON.stringify(initialize)));
  const id = /\r\nmcp-session-id: (\S+)/i.exec(head)?.[1];
  if (id === undefined) throw new Error(`${target.name} opened no session: ${status}`);
  const headers = { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' };
  const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
  await connection.send(request(target, headers, JSON.stringify(initialized)));
  return headers;
}

async function sseClient(target: Target): Promise<Client> {
  const { port, path, headers } = target;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const stream = await RawStream.open(
    port,
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n${lines.join('')}\r\n`,
  );
  const endpoint = await stream.next();
  const connection = await RawConnection.open(port);
  const session = { ...target, path: endpoint };
  const post = async (wire: string): Promise<void> => {
    const { status } = await connection.send(wire);
    if (status !== 202) throw new Error(`${target.name} answered ${status} to a message`);
  };
  const params = {
    protocolVersion: '2024-11-05',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  };
  const opened = stream.next();
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
  await post(request(session, {}, JSON.stringify(initialize)));
  await opened;
  const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
  await post(request(session, {}, JSON.stringify(initialized)));
  const render = rendered(session, {});
  let id = FIRST_ID;
  return {
    async once() {
      const answered = stream.next();
      const [text] = await Promise.all([answered, post(render(id++))]);
      check({ status: 200, head: '', body: Buffer.from(text) }, target, id === FIRST_ID + 1);
    },
    rest: () => connection.close(),
    isClosed: () => stream.isClosed,
    close: () => {
      connection.close();
      stream.close();
    },
  };
}

/** The requests of one connection, which differ in their id alone. */
function rendered(target: Target, session: Record<string, string>): (id: number) => string {
  if (target.message === undefined) return () => request(target, session, target.body ?? '');
  const mark = 7_000_000_001;
  const [before = '', after = ''] = request(
    target,
    session,
    JSON.stringify({ jsonrpc: '2.0', id: mark, ...target.message }),
  ).split(String(mark));
  // As long as the mark, so that the length of the body stays.
  return (id) => `${before}${7_000_000_000 + id}${after}`;
}

function request({ path, headers }: Target, more: Record<string, string>, body: string): string {
  const all = {
    host: 'localhost',
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...headers,
    ...more,
    'content-length': String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}
