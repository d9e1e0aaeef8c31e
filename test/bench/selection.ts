import { Selector } from '../../src/clusters/selector.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import type { Bench } from './bench.ts';
import { type Figure, figure, times } from './figures.ts';

const CLUSTERS = 100;
const CHOICES = 2_000;
const GOAL_MICROSECONDS = 50;

/** The choice of a cluster by the name of a guest, with two patterns per cluster. */
export const selection: Bench = {
  name: 'selection',
  about: 'the choice of a cluster by a guest name among 200 patterns',
  async run({ scale }) {
    const clusters = Array.from({ length: CLUSTERS }, (_none, index) => clusterWith(index));
    const selector = new Selector(clusters, 'cluster-0');
    const names = (suffix: string) => clusters.map((_cluster, index) => `team${index}-${suffix}`);
    const kinds = {
      'a prefix fits': names('web-01'),
      'a glob fits': clusters.map((_cluster, index) => `eu-db-${index}-rack`),
      'a regular expression fits': clusters.map((_cluster, index) => `vm${index}x77`),
      'nothing fits': clusters.map((_cluster, index) => `elsewhere-${index}-${'x'.repeat(40)}`),
    };
    const figures: Figure[] = [];
    for (const [kind, wanted] of Object.entries(kinds)) {
      choose(selector, wanted);
      const rounds = await times(scale.rounds, async () => choose(selector, wanted));
      figures.push(figure(`choice, ${kind}`, 'µs', rounds, { goal: GOAL_MICROSECONDS }));
    }
    return figures;
  },
};

/** @returns microseconds for one choice */
function choose(selector: Selector, names: readonly string[]): number {
  const startedAt = performance.now();
  for (let index = 0; index < CHOICES; index++) selector.choose({ name: names[index % names.length] });
  return ((performance.now() - startedAt) * 1000) / CHOICES;
}

function clusterWith(index: number): ClusterConfig {
  const second = index % 2 === 0 ? `eu-*-${index}-rack` : `/^vm${index}x\\d+$/`;
  return {
    name: `cluster-${index}`,
    endpoints: [{ host: '192.0.2.1', port: 8006 }],
    credentials: { kind: 'token', user: 'bench@pve', tokenId: 'bench', secret: new Secret('unused') },
    tls: { verify: true },
    patterns: [`team${index}-`, second],
    vmids: [],
    readOnly: false,
    validate: true,
  };
}
