import { ClusterManager } from '../../src/clusters/manager.ts';
import { Secret } from '../../src/config/secret.ts';
import { parseApiPath } from '../../src/proxmox/api-path.ts';
import type { HttpMethod, Parameters } from '../../src/proxmox/call.ts';
import type { RecordedRequest } from '../../src/simulator/requests.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { restoreState, type SavedState } from '../../src/simulator/state/saving.ts';
import type { Task } from '../../src/simulator/state/tasks.ts';
import { parseUpid } from '../../src/simulator/state/upid.ts';
import { configFor, SILENT } from './engine-fixtures.ts';
import { KEPT_CATALOGUES } from './kept-catalogues.ts';
import { ENDED_UPID, PREPARED_AT, RUNNING_UPID, type SetupCall } from './tool-calls/table.ts';
import { TOOL_SETUP } from './tool-calls.ts';

/** Its service logs in with this one's password: what only a person may do is done there. */
const WITH_PASSWORD = 'staging';
const ROOT_PASSWORD = 'c4n4ry-of-root';

/** A request of a tool as it arrived. */
export type Arrived = RecordedRequest & { cluster: string };

/**
 * The demo estate with something to work on for each call of `TOOL_CALLS`, in a simulator that can be put back to how
 * it was prepared: starting one for each of a thousand cases would take minutes.
 */
export class ToolEstate {
  readonly simulator: Simulator;
  readonly #clock: { startedAt: number | undefined };
  readonly #prepared = new Map<string, SavedState>();

  private constructor(simulator: Simulator, clock: { startedAt: number | undefined }) {
    this.simulator = simulator;
    this.#clock = clock;
  }

  static async start(): Promise<ToolEstate> {
    const time: { startedAt: number | undefined } = { startedAt: undefined };
    const clock = () => PREPARED_AT + (time.startedAt === undefined ? 0 : Date.now() - time.startedAt);
    const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
    const simulator = await startSimulator({ ...quick, clock });
    const estate = new ToolEstate(simulator, time);
    await estate.#prepare();
    return estate;
  }

  /** How a service reaches one of its clusters. */
  configOf(cluster: SimulatedCluster): ReturnType<typeof configFor> {
    if (cluster.name !== WITH_PASSWORD) return configFor(cluster);
    const password = new Secret(ROOT_PASSWORD);
    return configFor(cluster, { credentials: { kind: 'password', user: 'root@pam', password } });
  }

  /** Everything is as it was prepared; what arrived so far is forgotten. */
  reset(): void {
    this.forget();
    for (const { name, state } of this.simulator.clusters) {
      restoreState(state, structuredClone(this.#prepared.get(name) ?? {}));
      if (name === 'production') state.tasks.restore([...state.tasks.saved(), ...twoTasks()]);
    }
    this.#clock.startedAt = Date.now();
  }

  /** From here on requests are counted. */
  forget(): void {
    for (const { requests } of this.simulator.clusters) requests.length = 0;
  }

  /** What arrived since; logins are the service's own. */
  arrived(): Arrived[] {
    return this.simulator.clusters.flatMap(({ name, requests }) =>
      requests
        .filter(({ method, path }) => method === 'GET' || !path.endsWith('/access/ticket'))
        .map((request) => ({ ...request, cluster: name })),
    );
  }

  close(): Promise<void> {
    return this.simulator.close();
  }

  async #prepare(): Promise<void> {
    const { clusters } = this.simulator;
    const root = this.simulator.cluster(WITH_PASSWORD).state.access.users.get('root@pam');
    if (root) root.password = ROOT_PASSWORD;
    const manager = new ClusterManager(
      { clusters: clusters.map((one) => this.configOf(one)) },
      { ...KEPT_CATALOGUES, logger: SILENT },
    );
    try {
      for (const call of TOOL_SETUP) await carryOut(manager, call);
    } finally {
      await manager.close();
    }
    for (const { name, save } of clusters) this.#prepared.set(name, save().state ?? {});
    this.reset();
  }
}

async function carryOut(manager: ClusterManager, { cluster = 'production', line, data }: SetupCall) {
  const [method, path = ''] = line.split(' ');
  const parameters = (typeof data === 'function' ? await data() : (data ?? {})) as Parameters;
  const call = { method: method as HttpMethod, path: parseApiPath(path), parameters };
  await manager
    .select({ cluster })
    .cluster.send(call)
    .catch((error: unknown) => {
      throw new Error(`${line} on ${cluster}: ${error}`);
    });
}

/** A simulated task ends at once or runs for good: this one is as a host shows one that another process does. */
function twoTasks(): Task[] {
  return [RUNNING_UPID, ENDED_UPID].map((upid) => {
    const parts = parseUpid(upid);
    if (parts === undefined) throw new Error(`${upid} is no UPID`);
    const { user: owner, ...rest } = parts;
    const ended = { endtime: rest.starttime + 5, exitstatus: 'OK', log: ['begun', 'TASK OK'] };
    return { ...rest, owner, upid, log: ['begun'], ...(upid === ENDED_UPID ? ended : {}) };
  });
}
