import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { clusterConfig } from '../config/cluster-entry.ts';
import { CLUSTER_NAME, CLUSTER_NAME_RULE, type ClusterEntry } from '../config/clusters-schema.ts';
import type { ClusterConfig } from '../config/config.ts';
import { Environment, errorCode, readSecretFile } from '../config/environment.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import type { InitOptions } from './init.ts';

/** A cluster as it is going to be written. */
export interface Draft {
  name: string;
  entry: ClusterEntry;
}

/** Makes a draft of `user@realm!name` and the rest. */
export function makeDraft(
  name: string,
  url: string,
  tokenId: string,
  secret: string,
  tls: Pick<ClusterEntry, 'fingerprint' | 'ca_file' | 'verify_ssl'>,
): Draft {
  const split = tokenId.lastIndexOf('!');
  const token = { user: tokenId.slice(0, split), token_id: tokenId.slice(split + 1), token_secret: secret };
  return { name, entry: { url, ...token, ...tls } };
}

/** Reads the options of `init --yes`. @throws CliError that names what is missing or wrong */
export async function draftFromOptions(options: InitOptions): Promise<Draft> {
  const { name, url, tokenId, tokenSecretFile } = options;
  const needed = {
    '--name': name,
    '--url': url,
    '--token-id': tokenId,
    '--token-secret-file': tokenSecretFile,
  };
  const missing = Object.entries(needed).flatMap(([flag, value]) => (value === undefined ? [flag] : []));
  if (name === undefined || url === undefined || tokenId === undefined || tokenSecretFile === undefined) {
    throw usageError(`With --yes these options are needed too: ${missing.join(', ')}.`);
  }
  if (!tokenId.includes('!')) throw usageError('--token-id must be user@realm!name.');
  if (!CLUSTER_NAME.test(name)) throw usageError(`--name ${CLUSTER_NAME_RULE}.`);
  const tls = tlsOf(options);
  return makeDraft(name, url, tokenId, await readSecret(tokenSecretFile), tls);
}

/**
 * Checks a draft as the service will read it.
 *
 * @throws CliError that lists what is wrong, without any value
 */
export function configOf({ name, entry }: Draft): ClusterConfig {
  const problems: string[] = [];
  const config = clusterConfig(entry, {
    name,
    folder: process.cwd(),
    environment: new Environment({}, process.cwd(), []),
    problem: (key, message) => {
      problems.push(`${key} ${message}`);
    },
    warn: () => undefined,
  });
  if (config !== undefined && problems.length === 0) return config;
  throw new CliError(`The cluster ${name} can't be used: ${problems.join('; ')}.`, { exitCode: EXIT.usage });
}

function tlsOf({ fingerprint, caFile, verify }: InitOptions): Parameters<typeof makeDraft>[4] {
  const given = [fingerprint !== undefined, caFile !== undefined, !verify].filter(Boolean).length;
  if (given > 1) throw usageError('Give one of --fingerprint, --ca-file and --no-verify.');
  if (fingerprint !== undefined) return { fingerprint };
  if (caFile !== undefined) return { ca_file: resolve(caFile) };
  return { verify_ssl: verify };
}

async function readSecret(path: string): Promise<string> {
  if (path === '-') return (await text(process.stdin)).trim();
  try {
    return readSecretFile(path);
  } catch (error) {
    throw usageError(`--token-secret-file ${path} can't be read (${errorCode(error)}).`);
  }
}
