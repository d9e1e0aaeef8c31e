import { sealedKeyId } from '../config/sealed.ts';
import { EXIT } from './failure.ts';
import { print, printAside, printJson } from './output.ts';
import type { StatusOptions } from './secrets.ts';
import { readSecretsFile, type StoredSecret } from './secrets-file.ts';
import { clustersPath, hasKey } from './secrets-key.ts';
import { selfCommand } from './self-command.ts';

/** One secret as it is reported: what it is, never what it holds. */
interface Row {
  cluster: string;
  key: string;
  state: 'sealed' | 'damaged' | 'plain' | 'env' | 'file';
  key_id?: string;
  /** The variable, or the path. */
  name?: string;
}

const WORDS: Record<Row['state'], string> = {
  sealed: 'sealed with the key',
  damaged: 'sealed, and damaged: it can’t be opened',
  plain: 'plain text',
  env: 'in the variable',
  file: 'in the file',
};

/** Says how every secret is stored; with --require-sealed the exit code says whether the file holds a plain one. */
export function runStatus({ file, json, requireSealed }: StatusOptions): void {
  const path = clustersPath(file);
  const rows = readSecretsFile(path).secrets.map(rowOf);
  const open = rows.filter(({ state }) => state === 'plain' || state === 'damaged');
  if (json) printJson({ file: path, sealed: open.length === 0, secrets: rows });
  else print(rows.length === 0 ? `${path} holds no secret.` : inLines(rows));
  if (open.length === 0) return;
  if (!json && open.some(({ state }) => state === 'plain')) {
    const keyFile = hasKey() ? '' : ' --key-file clusters.key';
    printAside(`To seal what is plain: ${selfCommand()} secrets seal${keyFile}`);
  }
  if (requireSealed) process.exitCode = EXIT.failed;
}

function rowOf(secret: StoredSecret): Row {
  const { cluster, key } = secret.place;
  if (secret.kind === 'plain') return { cluster, key, state: 'plain' };
  if (secret.kind !== 'sealed') return { cluster, key, state: secret.kind, name: secret.name };
  try {
    return { cluster, key, state: 'sealed', key_id: sealedKeyId(secret.text) };
  } catch {
    return { cluster, key, state: 'damaged' };
  }
}

function inLines(rows: readonly Row[]): string {
  const widthOf = (column: 'cluster' | 'key') => Math.max(...rows.map((row) => row[column].length));
  const [cluster, key] = [widthOf('cluster'), widthOf('key')];
  return rows
    .map((row) => {
      const what = [WORDS[row.state], row.key_id ?? row.name].filter((part) => part !== undefined).join(' ');
      return `${row.cluster.padEnd(cluster)}  ${row.key.padEnd(key)}  ${what}`;
    })
    .join('\n');
}
