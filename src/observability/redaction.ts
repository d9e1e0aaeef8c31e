import { formsOf } from './encodings.ts';
import { mayBeSuspicious } from './first-look.ts';
import { isSecretName, REDACTED, SUSPICIOUS, withoutLookalikes, withoutOwnKeys } from './secret-patterns.ts';
import { StringFinder } from './string-finder.ts';

/** Of the tickets of all clusters; each lives two hours. */
const MOST_PASSING = 512;
/**
 * In answers only what nobody can guess is looked for: whoever can write a text and read it back would learn from the
 * gap whether a guess is right.
 */
const UNGUESSABLE = 16;

/**
 * Knows the secrets of the process and what secrets look like. The one redaction: logs, errors, the record and
 * answers all go through one of these.
 */
export class Redaction {
  readonly #lasting = new Set<string>();
  readonly #passing = new Set<string>();
  #finders: { all: StringFinder; unguessable: StringFinder } | undefined;

  /** Adds secrets that live as long as the process: those of a configuration. Old ones stay, as they may still be valid. */
  keep(secrets: Iterable<string>): void {
    for (const secret of secrets) {
      if (this.#lasting.has(secret)) continue;
      this.#lasting.add(secret);
      this.#finders = undefined;
    }
  }

  /** Adds secrets that pass, such as tickets; of these the newest are kept. */
  note(secrets: Iterable<string>): void {
    for (const secret of secrets) {
      if (this.#passing.delete(secret)) {
        this.#passing.add(secret);
        continue;
      }
      this.#passing.add(secret);
      this.#finders = undefined;
    }
    for (const oldest of this.#passing) {
      if (this.#passing.size <= MOST_PASSING) break;
      this.#passing.delete(oldest);
    }
  }

  /** A text for a log, an error, the record or a terminal: without known secrets, and without what looks like one. */
  text(text: string): string {
    return withoutLookalikes(this.#found().all.replace(text, REDACTED));
  }

  /** Whether `inAnswer` might take something out of a value that is JSON here; false is certain. */
  mayTouch(json: string): boolean {
    return json.includes('pmk_') || this.#found().unguessable.isIn(json);
  }

  /** A text of an answer: without the secrets of this process. What else looks like one may be what was asked for. */
  inAnswer(text: string): string {
    return withoutOwnKeys(this.#found().unguessable.replace(text, REDACTED));
  }

  /** Plain data for a log or the record: its texts as `text` has them, and no value of a name that says it is secret. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    return mapTexts(value, (text) => this.text(text), isSecretName);
  }

  /** A line of a log in JSON; it stays one. */
  line(line: string): string {
    const isSuspicious = mayBeSuspicious(line) && SUSPICIOUS.test(line);
    if (!isSuspicious && !this.#found().all.isIn(line)) return line;
    try {
      return `${JSON.stringify(this.value(JSON.parse(line)))}\n`;
    } catch {
      return `${JSON.stringify({ level: 'error', msg: this.text(line) })}\n`;
    }
  }

  #found(): { all: StringFinder; unguessable: StringFinder } {
    if (this.#finders !== undefined) return this.#finders;
    const secrets = [...this.#lasting, ...this.#passing];
    const long = secrets.filter((secret) => secret.length >= UNGUESSABLE);
    this.#finders = { all: finderOf(secrets), unguessable: finderOf(long) };
    return this.#finders;
  }
}

/** Takes secrets out of a text, in every form that `formsOf` knows; shorter ones than six characters stay. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return finderOf(secrets).replace(text, REDACTED);
}

function finderOf(secrets: readonly string[]): StringFinder {
  return new StringFinder(secrets.flatMap((secret) => [...formsOf(secret)]));
}

/**
 * The same data with its texts changed, names of members included. A number whose digits would change becomes a text.
 *
 * @param hides names of members whose value becomes `[redacted]`
 */
export function mapTexts(
  value: unknown,
  change: (text: string) => string,
  hides: (name: string) => boolean = () => false,
): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value === 'number') {
    const digits = String(value);
    return digits.length < 6 || change(digits) === digits ? value : REDACTED;
  }
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change, hides));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]): [string, unknown] => {
    const isHidden = hides(name) && member !== null && typeof member !== 'boolean' && member !== '';
    return [change(name), isHidden ? REDACTED : mapTexts(member, change, hides)];
  });
  return Object.fromEntries(members);
}
