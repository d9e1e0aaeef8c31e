import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { type Figure, figure, times } from './figures.ts';
import { ImageFolder } from './image.ts';
import { productionService } from './production.ts';
import { Upstream } from './upstream.ts';

const GOAL_SECONDS = 1;
const SOURCES = resolve(import.meta.dirname, '../../src/main.ts');

/** From the start of the process to the first `/readyz` that says 200, with every toolset and one cluster. */
export const coldStart: Bench = {
  name: 'cold-start',
  about: 'process start to ready, of the image and of the sources',
  async run(context) {
    const upstream = context.use(await Upstream.start());
    const image = context.use(await ImageFolder.make());
    const figures: Figure[] = [];
    const env = { NODE_PRESERVE_SYMLINKS: '1' };
    for (const [name, options, goal] of [
      [
        "ready, the image's files",
        { entry: image.entry, env: { ...env, NODE_COMPILE_CACHE: image.compileCache } },
        GOAL_SECONDS,
      ],
      ["ready, the image's files, nothing compiled before", { entry: image.entry, env }, undefined],
      ['ready, the sources', { entry: SOURCES }, undefined],
    ] as const) {
      const rounds = await times(context.scale.rounds, async () => {
        const startedAt = performance.now();
        await using service = await productionService(upstream, context, options);
        while ((await fetch(`http://127.0.0.1:${service.port}/readyz`)).status !== 200) await sleep(5);
        return (performance.now() - startedAt) / 1000;
      });
      figures.push(figure(name, 's', rounds, goal === undefined ? {} : { goal }));
    }
    return figures;
  },
};
