/**
 * The simulated clusters of a run, as a process of its own: `node simulated-estate.ts CLUSTERS GUESTS`. Its first message
 * is how to reach them; then it takes how late each answers. It ends with whoever started it.
 */
import { largeEstate } from '../../src/simulator/large-estate.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import type { ClusterAccess, Delays } from './estate.ts';

const [clusters = 1, guests = 1] = process.argv.slice(2).map(Number);
const share = (index: number): number =>
  Math.floor((guests * (index + 1)) / clusters) - Math.floor((guests * index) / clusters);

const simulator = await startSimulator({
  clusters: Array.from({ length: clusters }, (_none, index) =>
    largeEstate({ guests: share(index), nodes: 2, name: `cluster-${String(index + 1).padStart(3, '0')}` }),
  ).flat(),
  taskSeconds: 0,
});

process.on('message', async (delays: Delays) => {
  for (const { name, faults } of simulator.clusters) {
    await faults.clear();
    const ms = delays[name];
    if (ms !== undefined) faults.add({ kind: 'slow', ms, match: /^GET \/cluster\/resources$/ });
  }
  process.send?.('done');
});
const close = (): void => {
  process.removeAllListeners('message');
  void simulator.close().then(() => process.connected && process.disconnect());
};
process.once('disconnect', close);
process.once('SIGTERM', close);

process.send?.(
  simulator.clusters.map(
    ({ name, url, user, tokenId, tokenSecret, fingerprint }): ClusterAccess => ({
      name,
      entry: { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint },
    }),
  ),
);
