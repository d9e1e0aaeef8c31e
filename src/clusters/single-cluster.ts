import type { Logger } from 'pino';
import type { ClusterConfig } from '../config/config.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { Clock } from '../proxmox/breaker.ts';
import { abortable } from '../proxmox/deadline.ts';
import { Engine, type EngineDeps } from '../proxmox/engine.ts';
import { toCallError } from '../proxmox/errors.ts';
import type { Cluster, ClusterHealth } from './cluster.ts';

export interface ClusterDeps extends EngineDeps {
  logger: Logger;
  clock?: Clock;
}

const HEALTH_DEADLINE_MS = 5_000;
const HEALTH_FRESH_MS = 10_000;
const VERSION_PATH = apiPath`/version`;

/** Opens a cluster. Nothing is connected before the first call. */
export function createCluster(config: ClusterConfig, deps: ClusterDeps): Cluster {
  const engine = new Engine(config, deps);
  const probe = new HealthProbe(engine, deps.clock ?? Date);
  return {
    name: config.name,
    config,
    send: (call) => engine.send(call),
    health: (signal) => probe.ask(signal),
    close: () => engine.close(),
  };
}

/** Asks a cluster how it is, once for all who ask within ten seconds. */
class HealthProbe {
  readonly #engine: Engine;
  readonly #clock: Clock;
  #last: ClusterHealth | undefined;
  #pending: Promise<ClusterHealth> | undefined;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  async ask(signal?: AbortSignal): Promise<ClusterHealth> {
    if (this.#last !== undefined && this.#clock.now() - this.#last.checkedAt < HEALTH_FRESH_MS)
      return this.#last;
    this.#pending ??= this.#probe().finally(() => {
      this.#pending = undefined;
    });
    if (signal === undefined) return this.#pending;
    // Others may wait for the same probe: one caller's abort ends its own waiting alone.
    return abortable(this.#pending, signal).catch(() =>
      this.#failed('TIMEOUT', 'The question was cancelled.'),
    );
  }

  async #probe(): Promise<ClusterHealth> {
    const startedAt = this.#clock.now();
    try {
      const reply = await this.#engine.send({
        method: 'GET',
        path: VERSION_PATH,
        parameters: {},
        deadlineMs: HEALTH_DEADLINE_MS,
      });
      this.#last = this.#read(reply.data, startedAt);
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      this.#last = this.#failed(code, message);
    }
    return this.#last;
  }

  #read(data: unknown, startedAt: number): ClusterHealth {
    const { version, release } = (data ?? {}) as Record<string, unknown>;
    if (typeof version !== 'string') {
      return this.#failed('UPSTREAM_ERROR', 'The answer to /version holds no version: is this Proxmox VE?');
    }
    const checkedAt = this.#clock.now();
    return {
      reachable: true,
      version,
      release: String(release ?? ''),
      latencyMs: checkedAt - startedAt,
      checkedAt,
    };
  }

  #failed(code: string, message: string): ClusterHealth {
    return { reachable: false, code, message, checkedAt: this.#clock.now() };
  }
}
