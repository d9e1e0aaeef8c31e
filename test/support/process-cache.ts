import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where processes of the command line keep schemas: not in the cache of whoever runs the tests. */
    processCache: string;
  }
}

const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-cache-'));

/** One folder for all files of a run: a worker is ended by a signal, and no file knows whether it is the last. */
export function setup({ provide }: TestProject): void {
  provide('processCache', folder);
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true });
}
