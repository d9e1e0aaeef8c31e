import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';

/** A secret that no message may hold. */
export const CANARY = '6c1f9a7e-CANARY-4b3d';

/** A fresh folder with these files, mode 600, gone after the test. */
export function folderWith(files: Record<string, string | object> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  return folder;
}

export interface Setting {
  files?: Record<string, string | object>;
  env?: Record<string, string>;
  needsAuth?: boolean;
}

/** Loads the configuration of a fresh folder; without authentication settings unless they are asked for. */
export function load({ files = {}, env = {}, needsAuth = false }: Setting): Config {
  return loadConfig({ env, cwd: folderWith(files), needsAuth });
}

/** Loads a configuration that must be refused, and gives the error; no message may hold the canary. */
export function refusal(setting: Setting): ConfigError {
  try {
    load(setting);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (JSON.stringify([error.message, error.problems, error.stack]).includes(CANARY)) {
      throw new Error('the canary is in the message');
    }
    return error;
  }
  throw new Error('the configuration was accepted');
}

/** clusters.json with one cluster, `prod`, with these keys changed; undefined takes a key out. */
export function fileWith(changes: Record<string, unknown> = {}, top: Record<string, unknown> = {}): object {
  return { clusters: { prod: { ...ENTRY, ...changes } }, ...top };
}

export const ENTRY = { url: 'pve1:8006', user: 'ops@pve', token_id: 'mcp', token_secret: CANARY };
