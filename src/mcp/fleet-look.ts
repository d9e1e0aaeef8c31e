import type { Inventory } from '../clusters/inventory.ts';
import { askFleet } from '../tools/fleet.ts';
import type { Caller, Dispatcher } from './dispatcher.ts';

/** Whoever waits for a list or a suggestion waits no longer: a cluster that takes more costs its own part. */
const SECONDS = 2;

/**
 * Looks at the inventories of the named cluster, or of all, beside the tools.
 *
 * @param tool that would show the same
 * @param valuesOf picks what is wanted of one cluster
 */
export async function lookAtInventories<T>(
  dispatcher: Dispatcher,
  {
    tool,
    cluster,
    caller,
    signal,
  }: { tool: string; cluster?: string | undefined; caller: Caller; signal: AbortSignal },
  valuesOf: (inventory: Inventory, cluster: string) => readonly T[],
): Promise<T[]> {
  const look = { tool, seconds: SECONDS + 1, signal };
  const { values } = await dispatcher.look(caller, look, async (context) => {
    const { answers } = await askFleet(
      context.fleet(cluster),
      context,
      (one, until) => one.alone().inventory({ signal: until }),
      SECONDS * 1000,
    );
    return { values: answers.flatMap(({ cluster: { name }, answer }) => valuesOf(answer, name)) };
  });
  return values;
}
