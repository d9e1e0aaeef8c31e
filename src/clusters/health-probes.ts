import type { Logger } from 'pino';
import type { Clock } from '../proxmox/breaker.ts';
import type { EndpointState } from '../proxmox/endpoint-state.ts';
import { toCallError } from '../proxmox/errors.ts';
import type { ClusterHealth } from './cluster.ts';
import { HEALTH_MS, healthFrom, unhealthy } from './probes.ts';
import type { SharedAnswer } from './shared-answer.ts';

export interface HealthProbesDeps {
  endpoints(): readonly EndpointState[];
  /** Asks one endpoint for its version, once. @throws CallError, or the signal's reason */
  probe(endpoint: string, options: { signal: AbortSignal; deadlineMs: number }): Promise<unknown>;
  /** Where the cluster's health is kept. */
  health: Pick<SharedAnswer<ClusterHealth>, 'peek' | 'set'>;
  clock: Clock;
  /** From 0 to below 1. */
  random(): number;
  logger: Logger;
}

const INTERVAL_MS = 20_000;
/** The first round comes sooner: until then little is known of the endpoints behind the first. */
const FIRST_MS = INTERVAL_MS / 4;
/** Of the interval, up and down, so that many clusters and many services do not ask in step. */
const JITTER = 0.2;
/** These say that nothing of the API was reached. */
const NO_ANSWER: readonly string[] = ['CLUSTER_UNREACHABLE', 'TIMEOUT'];

/**
 * Asks every endpoint of one cluster, every 16 to 24 seconds, whether it answers. What it finds goes to the breakers and
 * the endpoints' state by the way that every call goes, and to the cluster's health from here. Refused credentials are
 * not tried again before their minute is over: the engine answers these probes itself.
 */
export class HealthProbes {
  readonly #deps: HealthProbesDeps;
  readonly #closing = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #outcomes = new Map<string, ClusterHealth>();
  #isRunning = false;
  #reachable: boolean | undefined;

  constructor(deps: HealthProbesDeps) {
    this.#deps = deps;
  }

  /** Whether the cluster's health is kept up to date from here. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Begins; does nothing where it has begun before, or was stopped. */
  start(): void {
    if (this.#isRunning || this.#closing.signal.aborted) return;
    this.#isRunning = true;
    for (const { endpoint } of this.#deps.endpoints()) this.#schedule(endpoint, FIRST_MS);
  }

  /** Ends for good; a probe under way is given up. */
  stop(): void {
    this.#isRunning = false;
    this.#closing.abort(new Error('probes have ended'));
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(endpoint: string, ms: number): void {
    const jitter = 1 - JITTER + 2 * JITTER * this.#deps.random();
    this.#timers.set(endpoint, setTimeout(() => void this.#round(endpoint), ms * jitter).unref());
  }

  /** The next one is scheduled when this one has ended, so that none overlaps. */
  async #round(endpoint: string): Promise<void> {
    const outcome = await this.#ask(endpoint);
    if (this.#closing.signal.aborted) return;
    if (outcome !== undefined) this.#take(endpoint, outcome);
    this.#schedule(endpoint, INTERVAL_MS);
  }

  async #ask(endpoint: string): Promise<ClusterHealth | undefined> {
    const { probe, clock } = this.#deps;
    try {
      const data = await probe(endpoint, { signal: this.#closing.signal, deadlineMs: HEALTH_MS });
      return healthFrom(data, this.#state(endpoint)?.latencyMs ?? 0, clock);
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      // Someone limits calls: that says nothing about the cluster.
      return code === 'RATE_LIMITED' ? undefined : unhealthy(code, message, clock);
    }
  }

  #take(endpoint: string, outcome: ClusterHealth): void {
    const before = this.#outcomes.get(endpoint);
    this.#outcomes.set(endpoint, outcome);
    const names = this.#deps.endpoints().map((state) => state.endpoint);
    if (names.length > 1) this.#logEndpoint(endpoint, before, outcome);
    if (outcome.reachable) {
      this.#publish(outcome);
      return;
    }
    const failures = names.flatMap((name) => {
      const known = this.#outcomes.get(name);
      return known === undefined || known.reachable ? [] : [known];
    });
    // While another endpoint answers, or is still to be asked, the cluster's health is not known to be worse.
    if (failures.length === names.length) this.#publish(this.#worst(outcome, failures));
  }

  /** Why no endpoint serves: a refusal of the API says more than an endpoint that is down beside it. */
  #worst(newest: Unreachable, failures: readonly Unreachable[]): Unreachable {
    const refused = failures.find(({ code }) => !NO_ANSWER.includes(code));
    if (refused !== undefined || failures.length === 1) return refused ?? newest;
    const states = this.#deps.endpoints().map(({ endpoint, problem }) => `${endpoint} ${problem ?? 'fails'}`);
    return { ...newest, message: `The cluster can't be reached: ${states.join('; ')}.` };
  }

  #publish(health: ClusterHealth): void {
    const { health: kept, logger } = this.#deps;
    const before = this.#reachable ?? kept.peek()?.reachable ?? true;
    this.#reachable = health.reachable;
    kept.set(health);
    if (before === health.reachable) return;
    if (health.reachable) {
      logger.info({ version: health.version, latency_ms: health.latencyMs }, 'cluster answers again');
    } else {
      logger.warn({ code: health.code, problem: health.message }, 'cluster does not answer any more');
    }
  }

  #logEndpoint(endpoint: string, before: ClusterHealth | undefined, { reachable }: ClusterHealth): void {
    if ((before?.reachable ?? true) === reachable) return;
    const { logger } = this.#deps;
    if (reachable) logger.info({ endpoint }, 'endpoint answers again');
    else logger.warn({ endpoint, problem: this.#state(endpoint)?.problem }, 'endpoint does not answer');
  }

  #state(endpoint: string): EndpointState | undefined {
    return this.#deps.endpoints().find((state) => state.endpoint === endpoint);
  }
}

type Unreachable = Extract<ClusterHealth, { reachable: false }>;
