import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { ConfigProblem } from './problems.ts';
import { Secret } from './secret.ts';

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** Where the value of a variable stands. */
export interface Place {
  level: 'environment' | '.env';
  /** NAME, or NAME_FILE. */
  variable: string;
  /** Absolute path of the file behind NAME_FILE. */
  file?: string;
}

/** The origin of a value that nobody configured. */
export const DEFAULT_ORIGIN = 'default';

/**
 * The process environment over the `.env` file of the working directory. Every variable NAME may also be given as
 * NAME_FILE, the path of a mounted secret; an empty value counts as not set, as Compose files make them.
 */
export class Environment {
  readonly #levels: readonly EnvironmentVariables[];
  readonly #cwd: string | undefined;
  readonly #problems: ConfigProblem[];
  readonly #asked = new Set<string>();
  readonly #secrets = new Set<string>();
  readonly #read: Secret[] = [];
  readonly #files = new Set<string>();
  readonly #drafts: ReadonlyMap<string, string>;
  /** Whether the working directory has a `.env`. */
  readonly hasDotEnv: boolean;

  /**
   * @param cwd the folder of `.env`, and where relative NAME_FILE paths start; undefined where there is no `.env`
   * @param drafts files by absolute path that count as if they were written already: a migration is tried this way
   */
  constructor(
    env: EnvironmentVariables,
    cwd: string | undefined,
    problems: ConfigProblem[],
    drafts: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#cwd = cwd;
    this.#drafts = drafts;
    this.#problems = problems;
    const dotEnv = this.#dotEnv();
    this.hasDotEnv = dotEnv !== undefined;
    this.#levels = [env, dotEnv ?? {}];
  }

  /** The value of a variable, or undefined; a NAME_FILE that can't be read is recorded as a problem. */
  text(name: string): string | undefined {
    this.#asked.add(name);
    for (const level of this.#levels) {
      const direct = level[name] || undefined;
      const file = level[`${name}_FILE`] || undefined;
      if (direct !== undefined && file !== undefined) {
        this.problem(name, `is set twice: ${name} and ${name}_FILE; keep one`);
        return undefined;
      }
      if (direct !== undefined) return direct;
      if (file !== undefined) return this.#fromFile(`${name}_FILE`, file);
    }
    return undefined;
  }

  secret(name: string): Secret | undefined {
    this.#secrets.add(name);
    const value = this.text(name);
    if (value === undefined) return undefined;
    const secret = new Secret(value);
    this.#read.push(secret);
    return secret;
  }

  /** true/false, 1/0, yes/no in any case; anything else is recorded as a problem. */
  boolean(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^(?:true|1|yes)$/i.test(value.trim())) return true;
    if (/^(?:false|0|no)$/i.test(value.trim())) return false;
    this.problem(name, 'must be true or false');
    return undefined;
  }

  /** A whole number within bounds, both counted in; anything else is recorded as a problem. */
  integer(name: string, least: number, most: number): number | undefined {
    const text = this.text(name)?.trim();
    if (text === undefined) return undefined;
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    this.problem(name, `must be a whole number from ${least} to ${most}`);
    return undefined;
  }

  /** A comma list without its empty members. */
  list(name: string): string[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }

  has(name: string): boolean {
    this.#asked.add(name);
    return this.#levels.some((level) => Boolean(level[name] || level[`${name}_FILE`]));
  }

  /** Names of all variables that are set, those of `.env` included. */
  names(): string[] {
    return this.#levels.flatMap((level) => Object.keys(level).filter((name) => level[name]));
  }

  /** Names of all variables that were asked for so far, set or not, without their NAME_FILE forms. */
  asked(): ReadonlySet<string> {
    return this.#asked;
  }

  /** Whether the value was asked for as a secret. */
  isSecret(name: string): boolean {
    return this.#secrets.has(name);
  }

  /** Every secret that was read from a variable so far. */
  secrets(): readonly Secret[] {
    return [...this.#read];
  }

  /** Absolute paths of the files that were read so far, or would have been if they were there. */
  files(): string[] {
    return [...this.#files];
  }

  /**
   * Reads a file that the configuration names, and remembers that it does.
   *
   * @param path absolute
   * @throws what `readFileSync` throws
   */
  readFile(path: string): string {
    this.noteFile(path);
    return this.#drafts.get(path) ?? readFileSync(path, 'utf8');
  }

  /** Remembers a file that would be read if it were there. */
  noteFile(path: string): void {
    this.#files.add(path);
  }

  /** Where the value of a variable stands; undefined where it is not set. */
  place(name: string): Place | undefined {
    for (const [index, level] of this.#levels.entries()) {
      const where = { level: index === 0 ? ('environment' as const) : ('.env' as const) };
      if (level[name]) return { ...where, variable: name };
      const file = level[`${name}_FILE`];
      if (file) return { ...where, variable: `${name}_FILE`, file: resolve(this.#cwd ?? '', file) };
    }
    return undefined;
  }

  /** The place of a value in words: `.env (NAME)`, `/run/secrets/x (NAME_FILE)`, `default`. */
  origin(name: string): string {
    const place = this.place(name);
    if (place === undefined) return DEFAULT_ORIGIN;
    return `${place.file ?? place.level} (${place.variable})`;
  }

  problem(name: string, message: string, cluster?: string): void {
    this.#problems.push({
      source: this.sourceOf(name),
      ...(cluster === undefined ? {} : { cluster }),
      field: name,
      message,
    });
  }

  /** Where an operator finds the value: a variable of the process hides that of `.env`. */
  sourceOf(name: string): string {
    return this.place(name.replace(/_FILE$/, ''))?.level ?? this.place(name)?.level ?? 'environment';
  }

  /** As `readFile`, without the line break that editors and `echo` leave at the end. */
  readSecretFile(path: string): string {
    return withoutLastBreak(this.readFile(path));
  }

  #fromFile(name: string, path: string): string | undefined {
    try {
      const value = this.readSecretFile(resolve(this.#cwd ?? '', path));
      if (value !== '') return value;
      this.problem(name, `names the file ${path}, which is empty`);
    } catch (error) {
      this.problem(name, `names the file ${path}, which can't be read (${errorCode(error)})`);
    }
    return undefined;
  }

  #dotEnv(): EnvironmentVariables | undefined {
    if (this.#cwd === undefined) return undefined;
    const path = join(this.#cwd, '.env');
    try {
      return parseEnv(this.readFile(path));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      this.#problems.push({ source: path, message: `can't be read (${errorCode(error)})` });
      return {};
    }
  }
}

/** Reads a mounted secret; the line break that editors and `echo` leave at its end is not part of it. */
export function readSecretFile(path: string): string {
  return withoutLastBreak(readFileSync(path, 'utf8'));
}

function withoutLastBreak(text: string): string {
  return text.replace(/(?:\r?\n)+$/, '');
}

/** `ENOENT` and its like, for messages; never the error's own text. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
