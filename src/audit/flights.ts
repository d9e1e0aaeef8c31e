import type { AuditLine } from './chain.ts';

/** A call that began and has no end in the record. */
export interface UnfinishedCall {
  id: string;
  seq: number;
  time: string;
  subject: string;
  cluster: string;
  tool: string;
  method: string;
  path: string;
}

/** What is followed at once; a record that was written by hand must not fill the memory. */
const MOST_OPEN = 100_000;

/** Pairs begins with their ends. */
export class Flights {
  readonly #open = new Map<string, UnfinishedCall>();
  readonly #mostNamed: number;
  readonly #named: UnfinishedCall[] = [];
  #total = 0;

  constructor(mostNamed: number) {
    this.#mostNamed = mostNamed;
  }

  take({ kind, seq, time, fields }: AuditLine): void {
    const id = textIn(fields, 'id');
    if (kind === 'end') this.#open.delete(id);
    // The process before is gone: what it left open has no end any more.
    else if (kind === 'open') this.#settle();
    else if (kind === 'begin') {
      if (this.#open.size >= MOST_OPEN) this.#settle();
      this.#open.set(id, {
        id,
        seq,
        time,
        subject: textIn(fields, 'subject'),
        cluster: textIn(fields, 'cluster'),
        tool: textIn(fields, 'tool'),
        method: textIn(fields, 'method'),
        path: textIn(fields, 'path'),
      });
    }
  }

  unfinished(): { total: number; calls: UnfinishedCall[] } {
    this.#settle();
    return { total: this.#total, calls: this.#named };
  }

  #settle(): void {
    this.#total += this.#open.size;
    for (const call of this.#open.values()) {
      if (this.#named.length >= this.#mostNamed) break;
      this.#named.push(call);
    }
    this.#open.clear();
  }
}

/** A text of a line; empty where there is none. */
export function textIn(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  return typeof value === 'string' ? value : '';
}
