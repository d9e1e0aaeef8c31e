import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Simulator } from '../../src/simulator/simulator.ts';

/** A temporary folder with a clusters.json for the simulated clusters, as an operator would have written it. */
export async function clustersFolder(
  simulator: Simulator,
): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-test-'));
  const clusters = Object.fromEntries(
    simulator.clusters.map(({ name, url, user, tokenId, tokenSecret, fingerprint }) => [
      name,
      { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint },
    ]),
  );
  await writeFile(join(folder, 'clusters.json'), JSON.stringify({ clusters }), { mode: 0o600 });
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
