import type { Bench } from './bench.ts';
import { figure } from './figures.ts';
import { ImageFolder } from './image.ts';

const GOAL_MB = 60;

/** How much of the image is ours: it is the same each time, so there is one round. */
export const size: Bench = {
  name: 'size',
  about: 'dist and production dependencies as the image has them',
  async run(context) {
    const image = context.use(await ImageFolder.make());
    const [dist, dependencies] = [await image.megabytes('dist'), await image.megabytes('node_modules')];
    return [
      figure('dist and dependencies', 'MB', [dist + dependencies], { goal: GOAL_MB }),
      figure('  dist', 'MB', [dist]),
      figure('  dependencies', 'MB', [dependencies]),
      figure('compiled code beside them', 'MB', [await image.megabytes('.compile-cache')]),
    ];
  },
};
