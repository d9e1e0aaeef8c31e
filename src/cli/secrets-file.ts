import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { applyEdits, findNodeAtLocation, parseTree } from 'jsonc-parser';
import { parseClustersFile } from '../config/clusters-file.ts';
import type { SecretSource } from '../config/clusters-schema.ts';
import { errorCode } from '../config/environment.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { SECRET_KEYS, type SealedPlace } from '../config/sealed.ts';
import { Secret } from '../config/secret.ts';
import { CliError } from './failure.ts';
import { printAside } from './output.ts';
import { writeSecretly } from './write-secretly.ts';

/** How a secret stands in clusters.json. */
export type Stored =
  | { kind: 'plain'; secret: Secret }
  | { kind: 'sealed'; text: string }
  | { kind: 'env' | 'file'; name: string };

export type StoredSecret = { place: SealedPlace } & Stored;

/** A clusters.json with its secrets, in their order. */
export interface SecretsFile {
  path: string;
  text: string;
  secrets: StoredSecret[];
}

const BOM = '\uFEFF';

/**
 * @param path absolute
 * @throws ConfigError, as when the service reads it, for a file that is no clusters.json
 */
export function readSecretsFile(path: string): SecretsFile {
  const problems: ConfigProblem[] = [];
  const text = readText(path);
  const parsed = parseClustersFile(withoutBom(text), basename(path), problems);
  if (parsed === undefined || problems.length > 0) throw new ConfigError(problems);
  const secrets = Object.entries(parsed.clusters).flatMap(([cluster, entry]) =>
    SECRET_KEYS.flatMap((key) => {
      const source = entry[key];
      return source === undefined ? [] : [{ place: { cluster, key }, ...stored(source) }];
    }),
  );
  return { path, text, secrets };
}

/**
 * Puts other values in the places of secrets and writes the file, the rest of its text as it is.
 *
 * @throws CliError where it can't be written, or has been changed by another since it was read; it is then left alone
 */
export function replaceSecrets(
  { path, text }: SecretsFile,
  changes: ReadonlyMap<SealedPlace, string | { sealed: string }>,
): void {
  const json = withoutBom(text);
  const tree = parseTree(json);
  const edits = [...changes].map(([{ cluster, key }, value]) => {
    const node = tree && findNodeAtLocation(tree, ['clusters', cluster, key]);
    if (node === undefined) throw new Error(`${cluster} has no ${key}`);
    return { offset: node.offset, length: node.length, content: inJson(value) };
  });
  const changed = `${text.slice(0, text.length - json.length)}${applyEdits(json, edits)}`;
  if (readText(path) !== text) {
    throw new CliError(`${path} was changed by another meanwhile; it was left as it is.`, {
      fix: 'Run the command again.',
    });
  }
  const mode = statSync(path).mode & 0o777;
  writeSecretly(path, changed, UNWRITABLE);
  // Windows has no such bits: Node reports 0o666 for every file there.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  printAside(
    `The mode of ${path} was ${mode.toString(8)}; now its owner alone can read it. Run the service as that user.`,
  );
}

const UNWRITABLE =
  'It is as it was. Write as the owner of the file, in a folder that can be written; where it is mounted read-only or ' +
  'as a single file, do this where the file comes from.';

function inJson(value: string | { sealed: string }): string {
  return typeof value === 'string' ? JSON.stringify(value) : `{ "sealed": ${JSON.stringify(value.sealed)} }`;
}

function stored(source: SecretSource): Stored {
  if (typeof source === 'string') return { kind: 'plain', secret: new Secret(source) };
  if ('sealed' in source) return { kind: 'sealed', text: source.sealed };
  return 'env' in source ? { kind: 'env', name: source.env } : { kind: 'file', name: source.file };
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CliError(`${path} can't be read (${errorCode(error)}).`, {
      fix: 'Name the file with --file. Without it, it is CLUSTERS_FILE, or clusters.json of this folder.',
      cause: error,
    });
  }
  // Written back, what is no UTF-8 would become something else.
  if (!isUtf8(bytes)) throw new CliError(`${path} is no UTF-8 text; it was left as it is.`);
  return bytes.toString('utf8');
}

function withoutBom(text: string): string {
  return text.startsWith(BOM) ? text.slice(BOM.length) : text;
}
