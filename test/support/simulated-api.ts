import { Agent, request } from 'undici';
import { expect, vi } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

export type Row = Record<string, string | number>;

/** Form fields, or with a content type among the headers the body itself. */
type Body = Record<string, string | number | string[]> | string | Buffer;

/** `T` is what the caller knows the answer to look like; most writes answer with a task's id. */
export interface Reply<T = string> {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  data: T;
  /** The same, read as an object and as a list. */
  row: Row;
  rows: Row[];
  /** The answer as a whole. */
  body: { message?: string; errors?: Record<string, string>; total?: number; changes?: string };
  errors: Record<string, string>;
}

interface CallOptions {
  /** Who calls, in place of the client's own token: another one (`id=secret`), or a login's headers. */
  as?: string | Record<string, string>;
  headers?: Record<string, string>;
  /** Which of the cluster's nodes is asked; default the first. */
  node?: number;
}

/** The simulator over TLS, called as any client would, with a clock that tests move. */
export class SimulatedApi {
  readonly simulator: Simulator;
  readonly #agents: Map<string, Agent>;
  readonly #time: { skew: number };

  private constructor(simulator: Simulator, time: { skew: number }) {
    this.simulator = simulator;
    this.#time = time;
    this.#agents = new Map(
      simulator.clusters.map(({ name, certificatePem }) => {
        return [name, new Agent({ connect: { ca: certificatePem }, keepAliveTimeout: 3000 })];
      }),
    );
  }

  /** Without delays, unless the options ask for them. */
  static async start(options: Parameters<typeof startSimulator>[0] = {}): Promise<SimulatedApi> {
    const time = { skew: 0 };
    const clock = (): number => Date.now() + time.skew;
    const simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, clock, ...options });
    return new SimulatedApi(simulator, time);
  }

  /** Moves the clock; back with a negative number. */
  pass(seconds: number): void {
    this.#time.skew += seconds * 1000;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    await this.simulator.close();
  }

  /** A client of one cluster, with the token that may do all or the one that may do nothing. */
  on(name: string, limited = false): ClusterApi {
    const cluster = this.simulator.cluster(name);
    const agent = this.#agents.get(name);
    if (!agent) throw new Error(`no agent for ${name}`);
    return new ClusterApi(cluster, agent, limited);
  }
}

export class ClusterApi {
  readonly cluster: SimulatedCluster;
  readonly authorization: string;
  readonly agent: Agent;

  constructor(cluster: SimulatedCluster, agent: Agent, limited: boolean) {
    this.cluster = cluster;
    this.agent = agent;
    const { user, tokenId, tokenSecret, limitedTokenId, limitedTokenSecret } = cluster;
    const token = limited ? `${limitedTokenId}=${limitedTokenSecret}` : `${tokenId}=${tokenSecret}`;
    this.authorization = `PVEAPIToken=${user}!${token}`;
  }

  async call<T = string>(
    method: string,
    path: string,
    body?: Body,
    { as, headers = {}, node = 0 }: CallOptions = {},
  ): Promise<Reply<T>> {
    const token = as === undefined ? this.authorization : `PVEAPIToken=${as}`;
    const content = isForm(body) ? asForm(body) : body;
    const response = await request(`https://${this.cluster.endpoints[node]}/api2/json${path}`, {
      method: method as 'GET',
      dispatcher: this.agent,
      headers: {
        ...(typeof as === 'object' ? as : { authorization: token }),
        ...(isForm(body) ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...headers,
      },
      ...(content === undefined ? {} : { body: content }),
    });
    const { statusCode: status, statusText: reason } = response;
    const text = await response.body.text();
    const isJson = String(response.headers['content-type']).startsWith('application/json');
    const parsed = isJson && text !== '' ? JSON.parse(text) : {};
    const { data, errors = {} } = parsed;
    return {
      status,
      reason,
      headers: response.headers,
      text,
      data,
      row: data,
      rows: data,
      body: parsed,
      errors,
    };
  }

  /** @returns what an accepted call answered */
  async ok<T = string>(...call: Parameters<ClusterApi['call']>): Promise<Reply<T>> {
    const reply = await this.call<T>(...call);
    expect([reply.reason, reply.errors], call.slice(0, 2).join(' ')).toEqual(['OK', {}]);
    return reply;
  }

  async get<T = Row>(path: string): Promise<T> {
    return (await this.ok<T>('GET', path)).data;
  }

  rows(path: string): Promise<Row[]> {
    return this.get<Row[]>(path);
  }

  /** @returns why a call was refused */
  async refusal(...call: Parameters<ClusterApi['call']>): Promise<string> {
    const { status, reason } = await this.call(...call);
    expect(status, call.slice(0, 2).join(' ')).toBeGreaterThanOrEqual(400);
    return reason;
  }

  /** Makes a call that answers with a task, and waits. @returns how the task ended */
  async work(...call: Parameters<ClusterApi['call']>): Promise<string> {
    const { data } = await this.ok(...call);
    expect(data).toMatch(/^UPID:\w[\w-]*:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:[\w-]+:.*:mcp@pve!mcp:$/);
    return this.finish(data);
  }

  async finish(upid: string): Promise<string> {
    return vi.waitFor(
      async () => {
        const status = await this.get(`/nodes/${upid.split(':')[1]}/tasks/${upid}/status`);
        expect(status.status).toBe('stopped');
        return String(status.exitstatus);
      },
      { timeout: 3000 },
    );
  }

  async log(upid: string): Promise<string> {
    const rows = await this.rows(`/nodes/${upid.split(':')[1]}/tasks/${upid}/log?limit=0`);
    return rows.map((row) => row.t).join('\n');
  }
}

function isForm(body: Body | undefined): body is Exclude<Body, string | Buffer> {
  return typeof body === 'object' && !Buffer.isBuffer(body);
}

function asForm(fields: Record<string, string | number | string[]>): string {
  const form = new URLSearchParams();
  for (const [key, value] of Object.entries(fields)) {
    for (const item of [value].flat()) form.append(key, String(item));
  }
  return form.toString();
}
