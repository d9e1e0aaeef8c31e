import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { clustersFolder } from './clusters-file.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Simulated clusters, and a folder with the configuration for them, for all tests of the file that calls it. */
export function stdioSite() {
  let simulator: Simulator;
  let place: Awaited<ReturnType<typeof clustersFolder>>;

  beforeAll(async () => {
    simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
    place = await clustersFolder(simulator);
  });

  afterAll(async () => {
    await place.remove();
    await simulator.close();
  });

  return {
    simulator: () => simulator,
    /** Starts the program on stdio, for the transport of either SDK line. */
    command: () => ({
      command: process.execPath,
      args: [MAIN, 'stdio'],
      cwd: place.folder,
      env: { CACHE_DIR: place.folder },
      stderr: 'pipe' as const,
    }),
  };
}
