import { type AuditKey, type AuditLine, GENESIS, type Head, hashOf, keyIdOf, parseLine } from './chain.ts';
import { diagnose } from './diagnose.ts';
import { Flights, type UnfinishedCall } from './flights.ts';
import { linesOf, openRecord, type Place, type RawLine } from './lines.ts';

/** What was done to a record. */
export type Damage =
  | 'altered'
  | 'missing'
  | 'moved'
  | 'duplicated'
  | 'inserted'
  /** Lines that the anchor knows of are not there: the end was cut off, or all of it was rewritten. */
  | 'cut'
  /** A key is needed to tell. */
  | 'unverifiable';

/** The first thing that is wrong. */
export interface Finding extends Place {
  damage: Damage;
  message: string;
}

export interface VerifyOptions {
  path: string;
  /** All keys that the record was ever written with. */
  keys?: readonly AuditKey[];
  /** A line that has to be there, as it was noted before: its hash, and its seq where that is known. */
  anchor?: { seq?: number | undefined; hash: string } | undefined;
  /** Seq of the first line; more than 1 where older files were taken away on purpose. */
  firstSeq?: number | undefined;
}

export interface VerifyReport {
  finding: Finding | undefined;
  files: number;
  /** Lines that are as they were written. */
  lines: number;
  /** Keyed ones among them: nobody without the key can have made them. */
  keyedLines: number;
  calls: number;
  head: Head;
  /** Time of the last line. */
  headTime: string | undefined;
  /** Calls that began and have no end: those in flight when a process ended, or now. */
  unfinished: { total: number; calls: UnfinishedCall[] };
  /** Unfinished lines that were cut off when the service started again after a crash. */
  torn: (Place & { bytes: number })[];
  /** Bytes behind the last line break: being written now, or left by a crash. */
  unfinishedBytes: number;
  /** Lines that could not be recorded, as the record itself says. */
  lostLines: number;
}

/** Why a line does not follow the one before; `body` where its text does not fit its own hash. */
export type Break = 'unreadable' | 'body' | 'unkeyed' | 'link';

/** A line where the chain does not hold, with what surrounds it. */
export interface BrokenChain {
  kind: Break;
  at: Place;
  line: AuditLine | undefined;
  before: { head: Head; prev: string; at: Place } | undefined;
  expected: Head;
  next: AuditLine | undefined;
}

const MOST_NAMED = 100;

/**
 * Checks that a record is what was written: every line by its hash, and that it follows the one before, over all files.
 * Streams; memory does not grow with the record.
 *
 * @throws what the file system throws; ENOENT where there is no record
 */
export async function verifyRecord(options: VerifyOptions): Promise<VerifyReport> {
  const files = await openRecord(options.path);
  try {
    const check = new Check(options, files.archives.length + (files.current === undefined ? 0 : 1));
    const lines = linesOf(files);
    for await (const raw of lines) {
      if (!raw.finished) check.report.unfinishedBytes = raw.bytes.length;
      else if (!check.take(raw)) break;
    }
    // A finding about a line depends on the one behind it, which the loop has consumed no further than this.
    const broken = check.broken;
    if (broken !== undefined) {
      check.report.finding = await diagnose(files, broken);
      return check.ended();
    }
    check.report.finding = check.ofTheEnd();
    return check.ended();
  } finally {
    await files.current?.handle.close();
  }
}

class Check {
  readonly report: VerifyReport;
  readonly #options: VerifyOptions;
  readonly #flights = new Flights(MOST_NAMED);
  #head: Head;
  #before: BrokenChain['before'];
  #last: Place | undefined;
  #seenAnchor = false;
  #broken: BrokenChain | undefined;

  constructor(options: VerifyOptions, files: number) {
    this.#options = options;
    this.#head = { seq: (options.firstSeq ?? 1) - 1, hash: GENESIS };
    this.report = {
      finding: undefined,
      files,
      lines: 0,
      keyedLines: 0,
      calls: 0,
      head: this.#head,
      headTime: undefined,
      unfinished: { total: 0, calls: [] },
      torn: [],
      unfinishedBytes: 0,
      lostLines: 0,
    };
  }

  get broken(): BrokenChain | undefined {
    return this.#broken;
  }

  /** @returns whether to go on: a broken chain takes one line more, which tells what was done */
  take({ bytes, file, line: number }: RawLine): boolean {
    const line = parseLine(bytes);
    if (this.#broken !== undefined) {
      this.#broken.next = line;
      return false;
    }
    const at = { file, line: number };
    const kind = this.#breakOf(line);
    if (kind === undefined && line !== undefined) {
      this.#accept(line, at);
    } else {
      const expected = this.#head;
      this.#broken = {
        kind: kind ?? 'unreadable',
        at,
        line,
        before: this.#before,
        expected,
        next: undefined,
      };
    }
    return true;
  }

  #breakOf(line: AuditLine | undefined): Break | undefined {
    if (line === undefined) return 'unreadable';
    const keyId = keyIdOf(line.hash);
    const key = this.#options.keys?.find(({ id }) => id === keyId);
    // Once keyed, always keyed: or whoever has no key could rewrite the rest without one.
    if (keyId === undefined && keyIdOf(this.#head.hash) !== undefined) return 'unkeyed';
    const mayCheck = keyId === undefined || key !== undefined;
    if (mayCheck && hashOf(line.body, key) !== line.hash) return 'body';
    const isFirst = this.report.lines === 0 && this.#options.firstSeq !== undefined;
    if (line.seq !== this.#head.seq + 1 || (!isFirst && line.prev !== this.#head.hash)) return 'link';
    return undefined;
  }

  #accept(line: AuditLine, at: Place): void {
    const { report } = this;
    const { anchor } = this.#options;
    report.lines++;
    if (keyIdOf(line.hash) !== undefined) report.keyedLines++;
    if (line.kind === 'begin') report.calls++;
    if (line.hash === anchor?.hash && (anchor.seq ?? line.seq) === line.seq) this.#seenAnchor = true;
    const { torn_bytes, lost_lines } = line.fields;
    if (line.kind === 'open' && typeof torn_bytes === 'number') {
      if (report.torn.length < MOST_NAMED) report.torn.push({ ...at, bytes: torn_bytes });
    }
    if (line.kind === 'gap' && typeof lost_lines === 'number') report.lostLines += lost_lines;
    this.#flights.take(line);
    this.#before = { head: { seq: line.seq, hash: line.hash }, prev: line.prev, at };
    this.#head = this.#before.head;
    this.#last = at;
    report.headTime = line.time;
  }

  ended(): VerifyReport {
    this.report.head = this.#head;
    this.report.unfinished = this.#flights.unfinished();
    return this.report;
  }

  /** What is wrong though every line follows the one before. */
  ofTheEnd(): Finding | undefined {
    const { keys = [], anchor, path } = this.#options;
    const at = this.#last ?? { file: path, line: 0 };
    if (this.report.lines === 0) return { ...at, damage: 'cut', message: 'The record holds no line.' };
    const keyId = keyIdOf(this.#head.hash);
    if (keys.length > 0 && keyId === undefined) {
      const message =
        'A key was given, and the last line is not keyed: the keyed lines were cut off, or all of it was rewritten.';
      return { ...at, damage: 'cut', message };
    }
    if (keyId !== undefined && !keys.some(({ id }) => id === keyId)) {
      const message = `The lines are keyed with ${keyId}, and that key was not given: only their order was checked.`;
      return { ...at, damage: 'unverifiable', message };
    }
    if (anchor === undefined || this.#seenAnchor) return undefined;
    const known =
      anchor.seq === undefined
        ? 'the line of the given hash'
        : `line number ${anchor.seq} with the given hash`;
    const message = `The record ends with number ${this.#head.seq} and does not hold ${known}: its end was cut off, or it was rewritten.`;
    return { ...at, damage: 'cut', message };
  }
}
