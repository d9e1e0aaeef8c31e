import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { type Figure, figure, times } from './figures.ts';
import { productionService } from './production.ts';
import { Upstream } from './upstream.ts';

const GOAL_SECONDS = 1;
const ROOT = resolve(import.meta.dirname, '../..');
const ENTRIES = { 'the image’s dist': 'dist/main.js', 'the sources': 'src/main.ts' };

/** From the start of the process to the first `/readyz` that says 200, with every toolset and one cluster. */
export const coldStart: Bench = {
  name: 'cold-start',
  about: 'process start to ready, from dist (after npm run build) and from the sources',
  async run(context) {
    const upstream = context.use(await Upstream.start());
    const figures: Figure[] = [];
    for (const [name, file] of Object.entries(ENTRIES)) {
      const entry = resolve(ROOT, file);
      if (!existsSync(entry)) continue;
      const rounds = await times(context.scale.rounds, async () => {
        const startedAt = performance.now();
        await using service = await productionService(upstream, context, { entry });
        while ((await fetch(`http://127.0.0.1:${service.port}/readyz`)).status !== 200) await sleep(5);
        return (performance.now() - startedAt) / 1000;
      });
      figures.push(
        figure(`ready from ${name}`, 's', rounds, file.startsWith('dist') ? { goal: GOAL_SECONDS } : {}),
      );
    }
    return figures;
  },
};
