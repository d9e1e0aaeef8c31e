import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readSecretsFile, replaceSecrets } from '../../src/cli/secrets-file.ts';
import { makeKeyFile } from '../../src/cli/secrets-key.ts';
import { ENTRY, folderWith } from '../support/config-folder.ts';
import { type Ended, runCli } from './cli-process.ts';

/** A folder with a clusters.json, and commands run in it whose output must hold neither secrets nor keys. */
export class SecretsFolder {
  readonly path: string;
  readonly #hidden: string[] = ['CANARY'];

  constructor(clusters: Record<string, object>, hidden: readonly string[] = []) {
    this.path = folderWith({ 'clusters.json': `${JSON.stringify({ clusters }, null, '\t')}\n` });
    this.#hidden.push(...hidden);
  }

  async run(command: string, env: Record<string, string> = {}): Promise<Ended> {
    const ended = await runCli(command.split(' '), { cwd: this.path, env });
    this.verify(ended);
    return ended;
  }

  verify({ stdout, stderr }: Omit<Ended, 'code'>): void {
    const keys = readdirSync(this.path).filter((name) => name.endsWith('.key'));
    for (const text of [...this.#hidden, ...keys.map((name) => this.read(name).trim())]) {
      expect(`${stdout}${stderr}`.includes(text), 'a secret was printed').toBe(false);
    }
  }

  read(name = 'clusters.json'): string {
    return readFileSync(join(this.path, name), 'utf8');
  }

  write(text: string): void {
    writeFileSync(join(this.path, 'clusters.json'), text);
  }

  /** Makes a key file as `secrets key` does, without the second that a process takes. */
  makeKey(name: string): void {
    makeKeyFile(join(this.path, name));
  }
}

/** Clusters that are never asked: one plain secret, one from a variable. */
export function offline(changes: object = {}): SecretsFolder {
  return new SecretsFolder({
    prod: ENTRY,
    staging: { ...ENTRY, token_secret: { env: 'STAGING' } },
    ...changes,
  });
}

/** The same, its plain secret sealed with the key of clusters.key. */
export function sealedFolder(): SecretsFolder {
  const folder = offline();
  const key = makeKeyFile(join(folder.path, 'clusters.key'));
  const file = readSecretsFile(join(folder.path, 'clusters.json'));
  const sealed = file.secrets.flatMap((stored) =>
    stored.kind === 'plain'
      ? [[stored.place, { sealed: key.seal(stored.secret, stored.place) }] as const]
      : [],
  );
  replaceSecrets(file, new Map(sealed));
  return folder;
}
