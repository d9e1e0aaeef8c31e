import { fileURLToPath } from 'node:url';
import type { Service } from './service.ts';

/** What a service under test tells of itself. */
export interface Probed {
  heapBytes: number;
  rssBytes: number;
  /** Since the last `reset`. */
  longestBlockMs: number;
}

/** Flags of Node that make a service answer `probe`. */
export const PROBE_FLAGS: readonly string[] = [
  '--expose-gc',
  `--import=${fileURLToPath(new URL('./probe.ts', import.meta.url))}`,
];

export async function probe({ child }: Service, what: 'heap' | 'reset' | 'delay'): Promise<Probed> {
  return (await child.ask({ probe: what })) as Probed;
}
