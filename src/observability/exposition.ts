import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { GAUGES, type GaugeSpec } from './gauges.ts';
import { BUCKETS, type Family, type Metrics, type Times } from './metrics.ts';
import type { ServiceState } from './service-state.ts';

/** What Prometheus reads. */
export interface Exposition {
  readonly contentType: string;
  readonly registry: Registry;
  text(): Promise<string>;
}

/** Milliseconds between two looks at how late timers are. */
const LAG_PRECISION_MS = 20;

/** Makes what Prometheus reads; from here on the process's own metrics are taken, too. Once per process is enough. */
export function createExposition(metrics: Metrics, state: ServiceState): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
  for (const family of metrics.counts) register(new Counter(counterOf(family)), registry);
  for (const family of metrics.durations) registry.registerMetric(new Filled(family));
  for (const spec of GAUGES) register(new Gauge(gaugeOf(spec, state)), registry);
  register(new Counter(BUSY), registry);
  return { contentType: registry.contentType, registry, text: () => registry.metrics() };
}

function register(metric: Counter | Gauge, registry: Registry): void {
  registry.registerMetric(metric);
}

/** prom-client calls `collect` with the metric as `this` when it is asked for its values. */
function counterOf(family: Family<number>) {
  const { name, help, labels } = family;
  return {
    name,
    help,
    labelNames: [...labels],
    registers: [],
    collect(this: Counter): void {
      this.reset();
      for (const [of, value] of family.values()) this.inc(named(labels, of), value);
    },
  };
}

function gaugeOf({ name, help, labels = [], rows }: GaugeSpec, state: ServiceState) {
  return {
    name,
    help,
    labelNames: [...labels],
    registers: [],
    collect(this: Gauge): void {
      this.reset();
      if (labels.length === 0) this.remove();
      // What can't be read now, such as a locked state file, is missing, and the rest is there.
      for (const [of, value] of attempted(() => rows(state))) this.set(named(labels, of), value);
    },
  };
}

/** Its rate is the utilisation of the event loop; a counter, so that several may scrape. */
const BUSY = {
  name: 'proxmox_mcp_event_loop_busy_seconds_total',
  help: 'Time that the event loop worked and did not wait: its rate is the utilisation.',
  registers: [],
  collect(this: Counter): void {
    this.reset();
    this.inc(performance.eventLoopUtilization().active / 1000);
  },
};

/** A histogram whose values were counted elsewhere: prom-client's own costs more with each observation. */
class Filled extends Histogram {
  readonly #family: Family<Times>;

  constructor(family: Family<Times>) {
    const { name, help, labels } = family;
    super({ name, help, labelNames: [...labels], buckets: [...BUCKETS], registers: [] });
    this.#family = family;
  }

  /** What the registry asks for, and what `get` is made of. */
  async getForPromString() {
    const { name, help, labels } = this.#family;
    const values = [...this.#family.values()].flatMap(([of, times]) =>
      rowsOf(name, named(labels, of), times),
    );
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  }
}

function rowsOf(name: string, labels: Record<string, string>, { counts, sum }: Times) {
  let total = 0;
  const buckets = counts.map((count, index) => {
    total += count;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: BUCKETS[index] ?? '+Inf' },
      value: total,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  ];
}

function named(labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
}

function attempted<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch {
    return [];
  }
}
