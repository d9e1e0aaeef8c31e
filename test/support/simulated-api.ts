import { Agent, request } from 'undici';
import { expect, vi } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

export type Row = Record<string, string | number>;

/** `T` is what the caller knows the answer to look like; most writes answer with a task's id. */
export interface Reply<T = string> {
  status: number;
  reason: string;
  data: T;
  errors: Record<string, string>;
}

/** The simulator over TLS, called as any client would. */
export class SimulatedApi {
  readonly simulator: Simulator;
  readonly #agents = new Map<string, Agent>();

  private constructor(simulator: Simulator) {
    this.simulator = simulator;
    for (const { name, certificatePem } of simulator.clusters) {
      this.#agents.set(name, new Agent({ connect: { ca: certificatePem }, keepAliveTimeout: 3000 }));
    }
  }

  static async start(options: Parameters<typeof startSimulator>[0] = {}): Promise<SimulatedApi> {
    return new SimulatedApi(await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, ...options }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    await this.simulator.close();
  }

  on(name: string, limited = false): ClusterApi {
    const cluster = this.simulator.cluster(name);
    const agent = this.#agents.get(name);
    if (!agent) throw new Error(`no agent for ${name}`);
    return new ClusterApi(cluster, agent, limited);
  }
}

export class ClusterApi {
  readonly cluster: SimulatedCluster;
  readonly #agent: Agent;
  readonly authorization: string;

  constructor(cluster: SimulatedCluster, agent: Agent, limited: boolean) {
    this.cluster = cluster;
    this.#agent = agent;
    const { user, tokenId, tokenSecret, limitedTokenId, limitedTokenSecret } = cluster;
    const token = limited ? `${limitedTokenId}=${limitedTokenSecret}` : `${tokenId}=${tokenSecret}`;
    this.authorization = `PVEAPIToken=${user}!${token}`;
  }

  /** @param body form fields, or with a content type of its own the bytes themselves */
  async call<T = string>(
    method: string,
    path: string,
    body?: Record<string, string | string[]> | { type: string; bytes: Buffer; node?: number },
  ): Promise<Reply<T>> {
    const raw = body && 'bytes' in body && Buffer.isBuffer(body.bytes) ? body : undefined;
    const node = raw && typeof raw.node === 'number' ? raw.node : 0;
    const form = new URLSearchParams();
    for (const [key, value] of raw || !body ? [] : Object.entries(body)) {
      for (const item of [value].flat()) form.append(key, String(item));
    }
    const content = raw ? (raw.bytes as Buffer) : form.size > 0 ? form.toString() : undefined;
    const type = raw ? String(raw.type) : 'application/x-www-form-urlencoded';
    const response = await request(`https://${this.cluster.endpoints[node]}/api2/json${path}`, {
      method: method as 'GET',
      dispatcher: this.#agent,
      headers: {
        authorization: this.authorization,
        ...(content === undefined ? {} : { 'content-type': type }),
      },
      ...(content === undefined ? {} : { body: content }),
    });
    const text = await response.body.text();
    const parsed = text === '' ? {} : JSON.parse(text);
    const { statusCode: status, statusText: reason } = response;
    return { status, reason, data: parsed.data, errors: parsed.errors ?? {} };
  }

  async get<T = Row>(path: string): Promise<T> {
    const reply = await this.call<T>('GET', path);
    expect([reply.reason, reply.errors]).toEqual(['OK', {}]);
    return reply.data;
  }

  rows(path: string): Promise<Row[]> {
    return this.get<Row[]>(path);
  }

  /** Makes a call that answers with a task, and waits. @returns how the task ended */
  async work(...call: Parameters<ClusterApi['call']>): Promise<string> {
    const reply = await this.call<string>(...call);
    expect([reply.reason, reply.errors]).toEqual(['OK', {}]);
    expect(reply.data).toMatch(/^UPID:/);
    return this.finish(reply.data);
  }

  async finish(upid: string): Promise<string> {
    return vi.waitFor(async () => {
      const status = await this.get(`/nodes/${upid.split(':')[1]}/tasks/${upid}/status`);
      expect(status.status).toBe('stopped');
      return String(status.exitstatus);
    });
  }

  async log(upid: string): Promise<string> {
    const rows = await this.rows(`/nodes/${upid.split(':')[1]}/tasks/${upid}/log?limit=0`);
    return rows.map((row) => row.t).join('\n');
  }
}
