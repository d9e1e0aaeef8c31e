import { type Observer, statusClass, type ToolCalled, type UpstreamAsked } from './observer.ts';

/** Upper bounds in seconds: from an answer out of memory to a task that is waited for. */
export const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
/** Series of one metric. Beyond it what is new counts as `other`: whoever reloads a thousand times must not fill memory. */
const MOST_SERIES = 5_000;
const OTHER = 'other';
/** What stands for a missing cluster, address or tool. */
const NONE = 'none';
/** English text and JSON have about four characters to a token; tokenizers differ by a third. */
const CHARACTERS_PER_TOKEN = 4;

/** What is counted, by the values of its labels. */
export interface Family<Value> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Values of the labels, in their order, and what was counted. */
  values(): Iterable<readonly [labels: readonly string[], value: Value]>;
}

export interface Times {
  /** By bucket, each alone; the last one is beyond all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Cell {
  value: number;
}

interface TimesCell {
  counts: number[];
  sum: number;
}

/** Cells by the values of labels, joined with a line break: a name of a tool or a cluster holds none. */
class Cells<C> {
  readonly #cells = new Map<string, C>();
  readonly #make: () => C;
  readonly #other: string;

  constructor(labels: readonly string[], make: () => C) {
    this.#make = make;
    this.#other = labels.map(() => OTHER).join('\n');
  }

  of(key: string): C {
    return this.#cells.get(key) ?? this.#add(key);
  }

  *entries(): Generator<readonly [readonly string[], C]> {
    for (const [key, cell] of this.#cells) yield [key === '' ? [] : key.split('\n'), cell];
  }

  #add(key: string): C {
    const wanted = this.#cells.size < MOST_SERIES ? key : this.#other;
    const cell = this.#cells.get(wanted) ?? this.#make();
    this.#cells.set(wanted, cell);
    return cell;
  }
}

/** Counts that only grow. */
class Counts implements Family<number> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #cells: Cells<Cell>;

  constructor(name: string, labels: readonly string[], help: string) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#cells = new Cells(labels, () => ({ value: 0 }));
  }

  add(key: string, by = 1): void {
    this.#cells.of(key).value += by;
  }

  *values(): Generator<readonly [readonly string[], number]> {
    for (const [labels, { value }] of this.#cells.entries()) yield [labels, value];
  }
}

/** Durations, by the bound that they stay under. */
class Durations implements Family<Times> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #cells: Cells<TimesCell>;

  constructor(name: string, labels: readonly string[], help: string) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#cells = new Cells(labels, () => ({ counts: new Array(BUCKETS.length + 1).fill(0), sum: 0 }));
  }

  observe(key: string, seconds: number): void {
    const cell = this.#cells.of(key);
    let bucket = 0;
    while (seconds > (BUCKETS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1;
    cell.sum += seconds;
  }

  values(): Iterable<readonly [readonly string[], Times]> {
    return this.#cells.entries();
  }
}

/**
 * What the process has counted. Adding is one look into a map, because it is done on the way of every call; what
 * Prometheus reads is made of it when it asks (`exposition.ts`), and until then nothing of that is loaded.
 */
export class Metrics implements Observer {
  readonly #calls = new Counts(
    'proxmox_mcp_tool_calls_total',
    ['tool', 'cluster', 'door', 'outcome'],
    'Calls of tools that have ended. outcome: ok or the code of the error.',
  );
  readonly #unknown = new Counts(
    'proxmox_mcp_unknown_tool_calls_total',
    ['door'],
    'Calls of tools that there are not, or that are not switched on.',
  );
  readonly #callTimes = new Durations(
    'proxmox_mcp_tool_call_duration_seconds',
    ['tool', 'cluster'],
    'From the arguments of a call to its answer, the time that a person or a task was waited for included.',
  );
  readonly #tokens = new Counts(
    'proxmox_mcp_answer_tokens_estimated_total',
    ['tool'],
    'Estimate of the tokens of the texts of answers: their characters divided by 4.',
  );
  readonly #upstream = new Counts(
    'proxmox_mcp_upstream_requests_total',
    ['cluster', 'method', 'status'],
    'Requests to Proxmox VE, each attempt alone. status: class of the HTTP status, or how the request failed.',
  );
  readonly #upstreamTimes = new Durations(
    'proxmox_mcp_upstream_request_duration_seconds',
    ['cluster', 'method'],
    'From the turn of a request to its whole answer; uploads are not counted.',
  );
  readonly #inventory = new Counts(
    'proxmox_mcp_inventory_reads_total',
    ['cluster', 'result'],
    "Uses of a cluster's inventory. result: hit (kept), miss (asked for).",
  );
  readonly #requests = new Counts(
    'proxmox_mcp_http_requests_total',
    ['route', 'status'],
    'HTTP requests that were answered, by route and class of the status. A stream counts when it ends.',
  );
  readonly #limits = new Counts(
    'proxmox_mcp_rate_limit_refusals_total',
    ['limit'],
    'Requests that were refused with 429. limit: address, principal, failed_logins.',
  );
  readonly #logins = new Counts(
    'proxmox_mcp_failed_logins_total',
    [],
    'Requests with a token or key that was refused.',
  );
  readonly #plans = new Counts(
    'proxmox_mcp_approval_events_total',
    ['event'],
    'What became of plans. event: made, approved, denied, applied.',
  );
  readonly #jobsStarted = new Counts(
    'proxmox_mcp_jobs_started_total',
    ['cluster'],
    'Tasks of Proxmox VE that this replica started.',
  );
  readonly #jobsEnded = new Counts(
    'proxmox_mcp_jobs_ended_total',
    ['cluster', 'outcome'],
    'Tasks that this service started and this replica saw end. outcome: ok, warnings, failed, unknown.',
  );

  constructor() {
    // A counter without labels is there from the start, so that its first step is seen as one.
    this.#logins.add('', 0);
    for (const limit of ['address', 'principal', 'failed_logins']) this.#limits.add(limit, 0);
  }

  get counts(): readonly Family<number>[] {
    return [
      ...[this.#calls, this.#unknown, this.#tokens, this.#upstream, this.#inventory, this.#requests],
      ...[this.#limits, this.#logins, this.#plans, this.#jobsStarted, this.#jobsEnded],
    ];
  }

  get durations(): readonly Family<Times>[] {
    return [this.#callTimes, this.#upstreamTimes];
  }

  toolCalled({ tool, cluster = NONE, door, outcome, seconds, characters }: ToolCalled): void {
    this.#calls.add(`${tool}\n${cluster}\n${door}\n${outcome}`);
    this.#callTimes.observe(`${tool}\n${cluster}`, seconds);
    this.#tokens.add(tool, Math.ceil(characters / CHARACTERS_PER_TOKEN));
  }

  unknownTool(door: string): void {
    this.#unknown.add(door);
  }

  upstreamAsked({ cluster, method, status, seconds }: UpstreamAsked): void {
    this.#upstream.add(`${cluster}\n${method}\n${status}`);
    if (seconds !== undefined) this.#upstreamTimes.observe(`${cluster}\n${method}`, seconds);
  }

  inventoryRead(cluster: string, result: 'hit' | 'miss'): void {
    this.#inventory.add(`${cluster}\n${result}`);
  }

  requestAnswered(route: string | undefined, status: number): void {
    this.#requests.add(`${route ?? NONE}\n${statusClass(status)}`);
  }

  limitExceeded(limit: string): void {
    this.#limits.add(limit);
  }

  loginFailed(): void {
    this.#logins.add('');
  }

  planChanged(event: string): void {
    this.#plans.add(event);
  }

  jobStarted(cluster: string): void {
    this.#jobsStarted.add(cluster);
  }

  jobEnded(cluster: string, outcome: string): void {
    this.#jobsEnded.add(`${cluster}\n${outcome}`);
  }
}
