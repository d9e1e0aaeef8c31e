import { formsOf } from '../../src/observability/encodings.ts';
import { StringFinder } from '../../src/observability/string-finder.ts';

/** Shorter texts are found everywhere. */
const SHORTEST = 12;
/** Outputs are kept until the end of a test file, or until there are so many of them. */
const MOST_CHARACTERS = 48 * 1024 * 1024;
/** What of an output is kept when it was searched before its end, because a secret may go on behind it. */
const OVERLAP = 4096;

/** Found in an output of the process under test; the secret itself is nowhere in it. */
export interface Hit {
  kind: string;
  /** Which way it came out. */
  outlet: string;
  test: string;
  form: 'plain' | 'encoded';
  /** What stands around it, with every secret taken out. */
  around: string;
}

/** Goes from the worker to the reporter, with the meta data of the test file. */
export interface CanaryCounts {
  secrets: number;
  kinds: string[];
  outlets: Record<string, number>;
  characters: number;
  milliseconds: number;
  /** Reasons why a secret was shown on purpose. */
  shown: string[];
  hits: Hit[];
}

declare module 'vitest' {
  interface TaskMeta {
    canaries?: CanaryCounts;
  }
}

interface Shown {
  value: string;
  why: string;
  outlet: string;
  /** The test that said so; none where it was said for the whole file. */
  test: string;
}

interface Source {
  outlet: string;
  pieces: { text: string; test: string }[];
  /** Credentials that this printed on purpose, where it does; they are secrets everywhere else. */
  issued?: Set<string>;
}

const ISSUED: readonly [kind: string, pattern: RegExp][] = [
  ['a token that a command made', /(eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{20,})/g],
  ['an API key that a command made', /(pmk_[0-9a-f]{6,32}_[\w-]{20,})/g],
  ['the token of a cluster that a command made', /"?token_secret"?:\s*"([^"]+)"/g],
];

/** Of a signed token only the signature is secret. */
function secretOf(value: string): string {
  return /^eyJ[\w-]+\.[\w-]+\.([\w-]{20,})$/.exec(value)?.[1] ?? value;
}

/** The secrets of a test file, and what came out of the processes under test. */
export class CanaryWatch {
  /** Name of the test that runs. */
  test = '';
  /** Asked before each search, for secrets that can be known only then. */
  readonly collectors: (() => void)[] = [];
  readonly #secrets = new Map<string, string>();
  /** Those of modules that several files of one process share. */
  readonly #lasting = new Map<string, string>();
  readonly #shown: Shown[] = [];
  readonly #sources = new Map<unknown, Source>();
  readonly #hits = new Map<string, Hit>();
  readonly #outlets = new Map<string, number>();
  #waiting = 0;
  #characters = 0;
  #milliseconds = 0;

  /** A file of tests begins: what belonged to the one before in this process is forgotten. */
  begin(): void {
    this.test = '';
    this.collectors.length = 0;
    this.#shown.length = 0;
    for (const map of [this.#secrets, this.#sources, this.#hits, this.#outlets]) map.clear();
    for (const [secret, kind] of this.#lasting) this.#secrets.set(secret, kind);
    this.#waiting = 0;
    this.#characters = 0;
    this.#milliseconds = 0;
  }

  /** Whether there is anything to look for. */
  get hasSecrets(): boolean {
    return this.#secrets.size > 0;
  }

  /** From now on a secret; what is short is not looked for. */
  watch(kind: string, value: string): void {
    const secret = secretOf(value);
    if (secret.length < SHORTEST || secret.length > 4096) return;
    if (!this.#secrets.has(secret)) this.#secrets.set(secret, kind);
  }

  /** A secret in each file of this process: its module is loaded once for all of them. */
  watchLastingly(kind: string, value: string): void {
    this.watch(kind, value);
    this.#lasting.set(secretOf(value), kind);
  }

  /** A secret that comes out on purpose in the running test, or in all tests of the file where none runs. */
  expectShown(value: string, why: string, outlet = ''): void {
    this.#shown.push({ value: secretOf(value), why, outlet, test: this.test });
  }

  /**
   * Keeps what came out.
   *
   * @param source pieces of the same one are one text; whole texts need none
   */
  output(outlet: string, text: string, source?: unknown): void {
    const key = source ?? outlet;
    const known = this.#sources.get(key) ?? { outlet, pieces: [] };
    this.#sources.set(key, known);
    const last = known.pieces.at(-1);
    const piece = source === undefined ? `${text}\n` : text;
    if (last?.test === this.test && last.text.length < 65_536) last.text += piece;
    else known.pieces.push({ text: piece, test: this.test });
    this.#outlets.set(known.outlet, (this.#outlets.get(known.outlet) ?? 0) + 1);
    this.#waiting += text.length;
    this.#characters += text.length;
    if (this.#waiting > MOST_CHARACTERS) this.search();
  }

  /** What comes from there are credentials that a person asked for. */
  issues(outlet: string, source: unknown): void {
    this.#sources.set(source, { outlet, pieces: [], issued: new Set() });
  }

  /** Looks through what came out since the last time. @returns everything found in the file so far */
  search(): Hit[] {
    const began = performance.now();
    for (const collect of this.collectors) collect();
    for (const source of this.#sources.values()) this.#watchIssued(source);
    const forms = new Map<string, string>();
    for (const secret of this.#secrets.keys()) for (const form of formsOf(secret)) forms.set(form, secret);
    const finder = new StringFinder(forms.keys());
    for (const source of this.#sources.values()) this.#searchIn(source, finder, forms);
    this.#waiting = 0;
    this.#milliseconds += performance.now() - began;
    return [...this.#hits.values()];
  }

  counts(): CanaryCounts {
    return {
      secrets: this.#secrets.size,
      kinds: [...new Set(this.#secrets.values())],
      outlets: Object.fromEntries(this.#outlets),
      characters: this.#characters,
      milliseconds: Math.round(this.#milliseconds),
      shown: this.#shown.map(({ why }) => why),
      hits: [...this.#hits.values()],
    };
  }

  #watchIssued({ pieces, issued }: Source): void {
    if (issued === undefined) return;
    const text = pieces.map((piece) => piece.text).join('');
    for (const [kind, pattern] of ISSUED) {
      for (const [, value = ''] of text.matchAll(pattern)) {
        issued.add(secretOf(value));
        this.watch(kind, value);
      }
    }
  }

  #searchIn(source: Source, finder: StringFinder, forms: ReadonlyMap<string, string>): void {
    const { outlet, pieces, issued } = source;
    const text = pieces.map((piece) => piece.text).join('');
    for (const [from, to] of finder.places(text)) {
      const found = text.slice(from, to);
      for (const [form, secret] of forms) {
        const at = found.indexOf(form);
        if (at < 0) continue;
        const test = testAt(pieces, from + at);
        if (issued?.has(secret) || this.#isShown(secret, outlet, test)) continue;
        const kind = this.#secrets.get(secret) ?? '';
        const key = [kind, outlet, test].join('\n');
        if (this.#hits.has(key)) continue;
        const around = surroundings(text, [from, to], finder);
        this.#hits.set(key, { kind, outlet, test, form: form === secret ? 'plain' : 'encoded', around });
      }
    }
    const end = text.slice(-OVERLAP);
    source.pieces = end === '' ? [] : [{ text: end, test: pieces.at(-1)?.test ?? '' }];
  }

  #isShown(secret: string, outlet: string, test: string): boolean {
    return this.#shown.some((one) => {
      const isHere = one.test === '' || one.test === test;
      return isHere && (one.outlet === '' || one.outlet === outlet) && one.value.includes(secret);
    });
  }
}

/** What stands before and behind, without this or any other secret. */
function surroundings(text: string, [from, to]: readonly [number, number], finder: StringFinder): string {
  const before = finder.replace(text.slice(Math.max(0, from - 600), from), '[canary]').slice(-120);
  const behind = finder.replace(text.slice(to, to + 600), '[canary]').slice(0, 60);
  return `${before}[canary]${behind}`;
}

function testAt(pieces: readonly { text: string; test: string }[], at: number): string {
  let end = 0;
  for (const { text, test } of pieces) {
    end += text.length;
    if (at < end) return test;
  }
  return '';
}

/** That of this test file. It hangs on the process, because a test may load modules a second time. */
const KEY = Symbol.for('canary-watch');
const shared = globalThis as typeof globalThis & { [KEY]?: CanaryWatch };
shared[KEY] ??= new CanaryWatch();
export const canaryWatch = shared[KEY];

/** Says that a test makes or brings a secret that no process under test may print. */
export function watchSecret(kind: string, value: string): void {
  canaryWatch.watch(kind, value);
}

/**
 * Says that a secret comes out on purpose, in this test or, outside of one, in this file.
 *
 * @param outlet only there; anywhere where absent
 */
export function expectShown(value: string, why: string, outlet?: string): void {
  canaryWatch.expectShown(value, why, outlet);
}
