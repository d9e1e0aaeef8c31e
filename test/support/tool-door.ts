import { Agent, request } from 'undici';
import { tokenFor } from './service.ts';
import type { Arrived } from './tool-estate.ts';
import type { ToolSite } from './tool-site.ts';

const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'door', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const OPENING = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'door', version: '1' } },
};

export interface DoorAnswer {
  status: number;
  /** Of the tool; undefined where the request did not get to it. */
  code: string | undefined;
  message: string;
  /** The answer of the tool, where there is one. */
  structured: Record<string, unknown> | undefined;
  characters: number;
  arrived: readonly Arrived[];
  /** Of these the writes that were carried out. */
  done: readonly Arrived[];
}

/** Calls tools over HTTP, with arguments as text: no client would send all that a stranger may. */
export class ToolDoor {
  readonly #site: ToolSite;
  readonly #agent = new Agent();
  readonly #authorization: string;
  #session = '';
  #next = 1;

  private constructor(site: ToolSite, token: string) {
    this.#site = site;
    this.#authorization = `Bearer ${token}`;
  }

  static async open(site: ToolSite): Promise<ToolDoor> {
    const door = new ToolDoor(site, await tokenFor('alice'));
    const { headers } = await door.#post(JSON.stringify(OPENING), {});
    door.#session = String(headers['mcp-session-id']);
    return door;
  }

  /** @param args JSON, or what pretends to be; by turns over a session and without one */
  async call(tool: string, args: string): Promise<DoorAnswer> {
    const { estate } = this.#site;
    const id = this.#next++;
    const isModern = id % 2 === 0;
    const meta = isModern ? `,"_meta":${JSON.stringify(META)}` : '';
    const params = `{"name":${JSON.stringify(tool)}${meta},"arguments":${args}}`;
    estate.forget();
    const { status, text } = await this.#post(
      `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`,
      isModern
        ? { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': tool }
        : { 'mcp-session-id': this.#session },
    );
    const arrived = estate.arrived();
    const { result, error } = messageIn(text);
    const structured = result?.structuredContent;
    const problem = structured?.error as { code: string; message: string } | undefined;
    return {
      status,
      code: problem?.code,
      message: problem?.message ?? error?.message ?? '',
      structured,
      characters: JSON.stringify(result?.content ?? '').length,
      arrived,
      done: arrived.filter(({ method, status: answered = 500 }) => method !== 'GET' && answered < 400),
    };
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #post(body: string, headers: Record<string, string>) {
    const answer = await request(new URL('/mcp', this.#site.guarded.url), {
      method: 'POST',
      dispatcher: this.#agent,
      headers: { ...HEADERS, authorization: this.#authorization, ...headers },
      body,
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }
}

interface Message {
  result?: { structuredContent?: Record<string, unknown>; content?: unknown };
  error?: { message?: string };
}

function messageIn(text: string): Message {
  // As JSON, or as the last event of a stream.
  const json = text.startsWith('{') ? text : text.slice(text.lastIndexOf('\ndata: ') + 7);
  try {
    return JSON.parse(json) as Message;
  } catch {
    return { error: { message: `not a message: ${text.slice(0, 200)}` } };
  }
}
