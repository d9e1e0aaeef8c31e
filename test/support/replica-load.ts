import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export type Door = 'sessions' | 'sse' | 'stateless';
/** What a client was told of a write. `unknown`: no answer, or one that says that nobody knows. */
export type Told = 'done' | 'session gone' | 'unknown';

type Arguments = Record<string, unknown>;
interface Connected {
  session(): string | undefined;
  call(name: string, args: Arguments): Promise<{ isError: boolean; text: string }>;
  close(): Promise<unknown>;
}

/** Also on a machine with much else to do; a stream that was lost is found out by it. */
const CALL_MS = 8000;
const PAUSE_MS = 40;

/** Connects a client of an era to a service. */
export async function connectDoor(door: Door, base: string, token: string): Promise<Connected> {
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  const url = new URL(door === 'sse' ? '/sse' : '/mcp', base);
  if (door === 'stateless') {
    const client = new ModernClient(
      { name: 'load', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    await client.connect(new ModernTransport(url, { requestInit }));
    return {
      session: () => undefined,
      call: async (name, args) =>
        plain(await client.callTool({ name, arguments: args }, { timeout: CALL_MS })),
      close: () => client.close(),
    };
  }
  const client = new Client({ name: 'load', version: '1' });
  const streamable =
    door === 'sessions' ? new StreamableHTTPClientTransport(url, { requestInit }) : undefined;
  const transport = streamable ?? new SSEClientTransport(url, { requestInit });
  await client.connect(transport as Parameters<Client['connect']>[0], { timeout: CALL_MS });
  return {
    session: () => streamable?.sessionId,
    call: async (name, args) =>
      plain(await client.callTool({ name, arguments: args }, undefined, { timeout: CALL_MS })),
    close: () => client.close(),
  };
}

function plain(result: object): { isError: boolean; text: string } {
  return { isError: 'isError' in result && result.isError === true, text: JSON.stringify(result) };
}

/** A client that reads and writes by turns, and begins anew where it has to. */
export class LoadClient {
  readonly door: Door;
  /** Of each write, by its mark. */
  readonly told = new Map<string, Told>();
  reads = 0;
  /** What reads failed with, the beginnings anew included. */
  readonly failures: string[] = [];
  /** Successful calls since it was set to 0. */
  successes = 0;
  begun = 0;
  readonly #base: string;
  readonly #token: string;
  readonly #name: string;
  #connected: Connected | undefined;
  #isOver = false;
  #running: Promise<void> | undefined;

  constructor(door: Door, base: string, token: string, name: string) {
    this.door = door;
    this.#base = base;
    this.#token = token;
    this.#name = name;
  }

  get session(): string | undefined {
    return this.#connected?.session();
  }

  async start(): Promise<void> {
    await this.#begin();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#connected?.close().catch(() => undefined);
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      if (this.#connected === undefined) await this.#begin().catch((error: unknown) => this.#failed(error));
      else if (number % 2 === 0) await this.#read(this.#connected);
      else await this.#write(this.#connected, `${this.#name}-${number}`);
      await sleep(PAUSE_MS);
    }
  }

  async #begin(): Promise<void> {
    await this.#connected?.close().catch(() => undefined);
    this.#connected = undefined;
    this.#connected = await connectDoor(this.door, this.#base, this.#token);
    this.begun += 1;
  }

  async #read(client: Connected): Promise<void> {
    try {
      const { isError, text } = await client.call('get_cluster_resources', { type: 'node' });
      if (isError) throw new Error(text);
      this.reads += 1;
      this.successes += 1;
    } catch (error) {
      this.#failed(error);
    }
  }

  async #write(client: Connected, mark: string): Promise<void> {
    const path = '/nodes/n1/qemu/100/config';
    try {
      const data = { description: mark };
      const { isError, text } = await client.call('proxmox_api_call', { method: 'PUT', path, data });
      if (isError) throw new Error(text);
      this.told.set(mark, 'done');
      this.successes += 1;
    } catch (error) {
      const isGone = error instanceof Error && 'code' in error && error.code === 404;
      this.told.set(mark, isGone ? 'session gone' : 'unknown');
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.failures.push(String(error).slice(0, 300));
    void this.#connected?.close().catch(() => undefined);
    this.#connected = undefined;
  }
}
