import { Agent, request } from 'undici';
import { expect, vi } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

type Row = Record<string, unknown>;

export interface Reply {
  status: number;
  reason: string;
  /** What the API answered, as it is, and read as an object or a list. */
  data: unknown;
  row: Row;
  rows: Row[];
  body: { errors?: Record<string, string>; total?: number; changes?: string };
}

export type Body = Record<string, string | number>;

/** A simulator over TLS with a clock that tests move, and a client for it. */
export class Simulated {
  readonly simulator: Simulator;
  readonly #agents = new Map<string, Agent>();
  readonly #time: { skew: number };

  static async start(taskSeconds = 0): Promise<Simulated> {
    const time = { skew: 0 };
    const clock = (): number => Date.now() + time.skew;
    return new Simulated(await startSimulator({ taskSeconds, authDelaySeconds: 0, clock }), time);
  }

  constructor(simulator: Simulator, time: { skew: number }) {
    this.simulator = simulator;
    this.#time = time;
    for (const { name, certificatePem } of simulator.clusters) {
      this.#agents.set(name, new Agent({ connect: { ca: certificatePem } }));
    }
  }

  cluster(name = 'production'): SimulatedCluster {
    return this.simulator.cluster(name);
  }

  pass(seconds: number): void {
    this.#time.skew += seconds * 1000;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
    await this.simulator.close();
  }

  /** A call with the full token, another token (`id=secret`), or a login's headers. */
  async call(
    method: string,
    path: string,
    body?: Body,
    {
      as,
      cluster = this.cluster(),
    }: { as?: string | Record<string, string>; cluster?: SimulatedCluster } = {},
  ): Promise<Reply> {
    const own = `${cluster.user}!${cluster.tokenId}=${cluster.tokenSecret}`;
    const who = typeof as === 'object' ? as : { authorization: `PVEAPIToken=${as ?? own}` };
    const form =
      body &&
      new URLSearchParams(Object.entries(body).map(([key, value]): [string, string] => [key, String(value)]));
    const response = await request(`https://${cluster.url}/api2/json${path}`, {
      method: method as 'GET',
      dispatcher: this.#agents.get(cluster.name) as Agent,
      headers: { ...who, ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
      ...(form ? { body: form.toString() } : {}),
    });
    const text = await response.body.text();
    const parsed = text.startsWith('{') ? JSON.parse(text) : {};
    const { data } = parsed;
    return {
      status: response.statusCode,
      reason: response.statusText,
      data,
      row: data,
      rows: data,
      body: parsed,
    };
  }

  /** @returns what an accepted call answered */
  async ok(method: string, path: string, body?: Body): Promise<Reply> {
    const reply = await this.call(method, path, body);
    expect(reply, `${method} ${path}`).toMatchObject({ status: 200, reason: 'OK' });
    return reply;
  }

  /** @returns the exit status of the task that a call started */
  async work(method: string, path: string, body?: Body): Promise<string> {
    const { data } = await this.ok(method, path, body);
    expect(data).toMatch(/^UPID:/);
    const node = String(data).split(':')[1];
    return vi.waitFor(async () => {
      const { row } = await this.ok('GET', `/nodes/${node}/tasks/${data}/status`);
      expect(row.status).toBe('stopped');
      return String(row.exitstatus);
    });
  }
}
