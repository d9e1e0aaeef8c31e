import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { clusterOf, vm } from '../../../support/balance-site.ts';
import { folderWith } from '../../../support/config-folder.ts';
import { connectTo, type Line } from '../../../support/jobs-site.ts';
import { entryOf } from '../../../support/reloading-service.ts';
import { SimulatedApi } from '../../../support/simulated-api.ts';
import { CliProcess } from '../../cli-process.ts';

/** Of the simulator's clock, which the test moves: no task ends before it says so. */
const TASK_SECONDS = 600;
/** That of the clients of `connectTo`. */
const SECRET = 'jobs-test-secret-of-more-than-32-bytes-0001';

async function site() {
  const api = await SimulatedApi.start({
    clusters: [clusterOf([vm(100, 'n1'), vm(101, 'n1')])],
    taskSeconds: TASK_SECONDS,
    resourcesLagSeconds: 0,
  });
  onTestFinished(() => api.close());
  const [cluster] = api.simulator.clusters;
  if (cluster === undefined) throw new Error('no cluster');
  const folder = folderWith({
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nMCP_TOOLSETS=all\nCACHE_DIR=cache\nSTATE_FILE=state.db\n`,
    'clusters.json': { clusters: { lab: entryOf(cluster) } },
  });
  const run = async () => {
    const child = new CliProcess(['serve'], { cwd: folder });
    const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
    return { child, call: await connectTo(new URL(url), 'alice') };
  };
  const posts = () => cluster.requests.filter(({ method }) => method === 'POST');
  return { api, cluster, run, posts };
}

describe('a drain over a kill -9', () => {
  it('goes on where it stands: every move is sent once, and the guests come back', async () => {
    const { api, cluster, run, posts } = await site();
    const first = await run();
    const drain = { node: 'n1', action: 'drain', wait_seconds: 60 };
    const handleOf = ({ error }: { error?: Line | undefined }): unknown =>
      (error?.plan as Line | undefined)?.handle;
    const handle = handleOf(await first.call('drain_node', drain));
    expect(handle).toBeTypeOf('string');
    expect(posts()).toEqual([]);
    // Its answer never comes.
    void first.call('drain_node', { ...drain, handle }).catch(() => undefined);
    await vi.waitFor(() => expect(posts()).toHaveLength(1), { timeout: 15_000, interval: 20 });
    await first.child.stop('SIGKILL');

    // The first move ends while nobody looks.
    api.pass(TASK_SECONDS);
    const second = await run();
    const again = handleOf(await second.call('drain_node', drain));
    expect(posts()).toHaveLength(1);
    const rest = second.call('drain_node', { ...drain, handle: again });
    await vi.waitFor(() => expect(posts()).toHaveLength(2), { timeout: 20_000, interval: 20 });
    api.pass(TASK_SECONDS);
    const { data } = await rest;
    expect(data).toMatchObject({
      state: 'empty',
      moves: [{ result: 'moved' }, { result: 'moved' }],
      left: 0,
    });
    const paths = posts().map(({ path }) => path);
    expect(new Set(paths).size).toBe(2);

    const status = await second.call('drain_node', { node: 'n1', action: 'status' });
    expect(status.data).toMatchObject({ state: 'empty' });
    // Which goes first, the load of the nodes decides.
    const moved = (status.data.moves as { vmid: number }[]).map(({ vmid }) => vmid);
    expect(moved.toSorted()).toEqual([100, 101]);
    const restore = { node: 'n1', action: 'restore', wait_seconds: 0 };
    const back = handleOf(await second.call('drain_node', restore));
    await second.call('drain_node', { ...restore, handle: back });
    await second.child.stop('SIGKILL');
    api.pass(TASK_SECONDS);

    const third = await run();
    const last = handleOf(await third.call('drain_node', restore));
    const answer = await third.call('drain_node', { ...restore, handle: last });
    expect(answer.data.moves).toMatchObject([{ result: 'moved' }, { result: 'moving' }]);
    api.pass(TASK_SECONDS);
    expect((await third.call('drain_node', restore)).data).toMatchObject({ state: 'restored', left: 2 });
    expect([100, 101].map((vmid) => cluster.state.guests.get(vmid)?.node)).toEqual(['n1', 'n1']);
    expect(posts()).toHaveLength(4);
    await third.child.stop();
  }, 120_000);
});
