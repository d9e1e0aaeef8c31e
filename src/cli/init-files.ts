import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type ClusterEntry, clustersFile } from '../config/clusters-schema.ts';
import { parseStrictJson } from '../config/json.ts';
import { CliError } from './failure.ts';
import { writeSecretly } from './write-secretly.ts';

const ELSEWHERE = 'Choose another folder with --dir.';

/** The clusters.json of a folder as it stands, whatever else it holds beside `clusters`. */
export interface ExistingFile {
  path: string;
  content: Record<string, unknown>;
  names: string[];
}

/**
 * Reads what there is, so that it can be added to.
 *
 * @throws CliError for a file that can't be read as clusters.json: it is not overwritten
 */
export function readExisting(folder: string): ExistingFile {
  const path = join(folder, 'clusters.json');
  if (!existsSync(path)) return { path, content: {}, names: [] };
  const parsed = parseStrictJson(readFileSync(path, 'utf8'));
  const checked = 'value' in parsed ? clustersFile.safeParse(parsed.value) : undefined;
  if (!checked?.success) {
    throw new CliError(`${path} is there, and is no valid clusters.json; it was left as it is.`, {
      fix: 'See what is wrong with it: proxmox-mcp check. Or write to another folder with --dir.',
    });
  }
  return { path, content: { ...checked.data }, names: Object.keys(checked.data.clusters) };
}

/** Writes the file with clusters added to it, or put in the place of those of the same name. Mode 600. */
export function writeClusters(existing: ExistingFile, added: ReadonlyMap<string, ClusterEntry>): void {
  const clusters = { ...(existing.content.clusters ?? {}), ...Object.fromEntries(added) };
  writeSecretly(existing.path, `${JSON.stringify({ ...existing.content, clusters }, null, 2)}\n`, ELSEWHERE);
}

const SECRET = 'MCP_JWT_SECRET';
const AUTH_SETTINGS = [SECRET, `${SECRET}_FILE`, 'MCP_JWKS_URL', 'MCP_JWKS_URL_FILE', 'MCP_AUTH'];

/**
 * Puts a fresh MCP_JWT_SECRET into the `.env` of a folder, beside the lines that are there. Mode 600.
 *
 * @returns false where one of the authentication settings is there already; nothing is then changed
 */
export function writeEnvFile(folder: string): boolean {
  const path = join(folder, '.env');
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const set = parseEnv(before);
  if (AUTH_SETTINGS.some((name) => Boolean(set[name]))) return false;
  const line = `${SECRET}=${randomBytes(48).toString('base64url')}`;
  // An empty one, as in .env.example, is filled in where it stands.
  const empty = new RegExp(`^${SECRET}=[ \\t]*(?:''|"")?[ \\t]*$`, 'm');
  const after = empty.test(before)
    ? before.replace(empty, line)
    : `${before === '' || before.endsWith('\n') ? before : `${before}\n`}${line}\n`;
  writeSecretly(path, after, ELSEWHERE);
  return true;
}
