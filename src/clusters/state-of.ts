import type { ClusterState } from '../observability/service-state.ts';
import type { Engine } from '../proxmox/engine.ts';

/** What is known of a cluster without asking it: its name and numbers, and no address. */
export function stateOf(
  cluster: string,
  engine: Pick<Engine, 'endpoints' | 'traffic'>,
  inventoryAsOf: number | undefined,
): ClusterState {
  const endpoints = engine.endpoints();
  const count = (answers: boolean | undefined): number =>
    endpoints.filter((endpoint) => endpoint.answers === answers).length;
  const answering = count(true);
  const failing = count(false);
  const ends = endpoints.flatMap(({ certificateExpiresAt: at }) => (at === undefined ? [] : [at]));
  return {
    cluster,
    ...(answering + failing === 0 ? {} : { isUp: answering > 0 }),
    endpoints: { answering, failing, unknown: count(undefined) },
    breakersOpen: endpoints.filter(({ breakerOpen }) => breakerOpen).length,
    ...engine.traffic(),
    ...(inventoryAsOf === undefined ? {} : { inventoryAsOf }),
    ...(ends.length === 0 ? {} : { certificateExpiresAt: Math.min(...ends) }),
  };
}
