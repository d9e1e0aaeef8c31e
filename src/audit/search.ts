import { type AuditLine, isRecord, parseLine } from './chain.ts';
import { textIn } from './flights.ts';
import { linesOf, openRecord } from './lines.ts';

/** One call, from its begin and its end. */
export interface AuditCall {
  seq: number;
  time: string;
  id: string;
  request_id: string;
  subject: string;
  cluster: string;
  tool: string;
  method: string;
  path: string;
  risks: string[];
  /** Undefined where the record has no end of it: in flight, or cut short when the process ended. */
  outcome: string | undefined;
  duration_ms: number | undefined;
  upid: string | undefined;
  task_status: string | undefined;
  /** All that its begin says. */
  begin: Readonly<Record<string, unknown>>;
  /** All that its end says. */
  end: Readonly<Record<string, unknown>> | undefined;
}

/** What to look for; whatever is absent fits. */
export interface CallFilter {
  subject?: string | undefined;
  tool?: string | undefined;
  cluster?: string | undefined;
  method?: string | undefined;
  path?: ((path: string) => boolean) | undefined;
  risk?: string | undefined;
  /** `none` finds calls without an end. */
  outcome?: string | undefined;
  /** Epoch milliseconds, counted in. */
  since?: number | undefined;
  /** Epoch milliseconds, not counted in. */
  until?: number | undefined;
  /** Of the call or of the request. */
  id?: string | undefined;
  /** Anywhere in begin or end, in any case. */
  text?: string | undefined;
}

export interface SearchOptions {
  path: string;
  filter: CallFilter;
  /** Calls returned at most. */
  limit: number;
  newestFirst: boolean;
}

export interface SearchResult {
  /** How many fit, those beyond the limit counted in. */
  total: number;
  calls: AuditCall[];
  /** Lines that are none of a record; `verify` says what is wrong with them. */
  unreadable: number;
}

/** Calls followed at once; more than that are taken as without an end. */
const MOST_OPEN = 100_000;

/**
 * Looks for calls in all files of a record. Streams, and keeps no more than `limit` calls that ended. It trusts the
 * lines: whether they are as they were written is what `verifyRecord` says.
 *
 * @throws what the file system throws; ENOENT where there is no record
 */
export async function searchRecord({
  path,
  filter,
  limit,
  newestFirst,
}: SearchOptions): Promise<SearchResult> {
  const files = await openRecord(path);
  const kept = new Kept(limit, newestFirst);
  const pairs = new CallPairs((call) => {
    if (fits(call, filter)) kept.add(call);
  });
  let unreadable = 0;
  try {
    for await (const { bytes, finished } of linesOf(files)) {
      if (!finished) continue;
      const line = parseLine(bytes);
      if (line === undefined) unreadable++;
      else {
        pairs.take(line);
        if (line.kind === 'task') kept.taskEnded(line);
      }
    }
  } finally {
    await files.current?.handle.close();
  }
  pairs.flush();
  return { total: kept.total, calls: kept.calls(), unreadable };
}

/** Makes one call of a begin and its end. */
export class CallPairs {
  readonly #open = new Map<string, AuditCall>();
  readonly #onCall: (call: AuditCall) => void;

  constructor(onCall: (call: AuditCall) => void) {
    this.#onCall = onCall;
  }

  take(line: AuditLine): void {
    const id = textIn(line.fields, 'id');
    if (line.kind === 'begin') {
      if (this.#open.size >= MOST_OPEN) this.flush();
      this.#open.set(id, begun(line));
    } else if (line.kind === 'end') {
      const call = this.#open.get(id);
      if (call === undefined) return;
      this.#open.delete(id);
      this.#onCall(ended(call, line));
    } else if (line.kind === 'open') this.flush();
  }

  /** Gives the calls that have no end. */
  flush(): void {
    for (const call of this.#open.values()) this.#onCall(call);
    this.#open.clear();
  }
}

/** The first or the last of the calls that fit, by when they began: a long one ends after many that began later. */
class Kept {
  total = 0;
  readonly #limit: number;
  readonly #direction: number;
  #calls: AuditCall[] = [];
  readonly #ids = new Map<string, AuditCall>();

  constructor(limit: number, newestFirst: boolean) {
    this.#limit = limit;
    this.#direction = newestFirst ? -1 : 1;
  }

  add(call: AuditCall): void {
    this.total++;
    this.#calls.push(call);
    this.#ids.set(call.id, call);
    if (this.#calls.length >= 2 * this.#limit + 100) this.#trim();
  }

  taskEnded({ fields }: AuditLine): void {
    const call = this.#ids.get(textIn(fields, 'id'));
    if (call === undefined) return;
    call.upid ??= textIn(fields, 'upid');
    call.task_status = textIn(fields, 'task_status');
  }

  calls(): AuditCall[] {
    this.#trim();
    return this.#calls;
  }

  #trim(): void {
    this.#calls.sort((left, right) => (left.seq - right.seq) * this.#direction);
    for (const call of this.#calls.splice(this.#limit)) {
      if (this.#ids.get(call.id) === call) this.#ids.delete(call.id);
    }
  }
}

function begun({ seq, time, fields }: AuditLine): AuditCall {
  const said = saidBy(fields);
  return {
    seq,
    time,
    id: textIn(fields, 'id'),
    request_id: textIn(fields, 'request_id'),
    subject: textIn(fields, 'subject'),
    cluster: textIn(fields, 'cluster'),
    tool: textIn(fields, 'tool'),
    method: textIn(fields, 'method'),
    path: textIn(fields, 'path'),
    risks: Array.isArray(fields.risks) ? fields.risks.map(String) : [],
    outcome: undefined,
    duration_ms: undefined,
    upid: undefined,
    task_status: undefined,
    begin: said,
    end: undefined,
  };
}

function ended(call: AuditCall, { fields }: AuditLine): AuditCall {
  const optional = (name: string): string | undefined => textIn(fields, name) || undefined;
  return {
    ...call,
    outcome: optional('outcome'),
    duration_ms: typeof fields.duration_ms === 'number' ? fields.duration_ms : undefined,
    upid: optional('upid'),
    task_status: optional('task_status'),
    end: saidBy(fields),
  };
}

/** The members of the chain say nothing of a call. */
function saidBy(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { seq, prev, hash, kind, ...said } = fields;
  return said;
}

function fits(call: AuditCall, filter: CallFilter): boolean {
  const { since, until } = filter;
  const time = Date.parse(call.time);
  if ((since !== undefined && time < since) || (until !== undefined && time >= until)) return false;
  for (const name of ['subject', 'tool', 'cluster'] as const) {
    if (filter[name] !== undefined && filter[name] !== call[name]) return false;
  }
  if (filter.method !== undefined && filter.method.toUpperCase() !== call.method) return false;
  if (filter.risk !== undefined && !call.risks.includes(filter.risk)) return false;
  if (filter.outcome !== undefined && filter.outcome !== (call.outcome ?? 'none')) return false;
  if (filter.id !== undefined && filter.id !== call.id && filter.id !== call.request_id) return false;
  return (filter.path?.(call.path) ?? true) && (filter.text === undefined || holds(call, filter.text));
}

function holds({ begin, end }: AuditCall, text: string): boolean {
  const wanted = text.toLowerCase();
  return [...leaves(begin), ...leaves(end)].some((leaf) => leaf.toLowerCase().includes(wanted));
}

function leaves(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(leaves);
  if (isRecord(value)) return Object.values(value).flatMap(leaves);
  return value === undefined || value === null ? [] : [String(value)];
}
