import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HOME_AND_AWAY } from '../../../support/backup-to-cluster.ts';
import { folderWith } from '../../../support/config-folder.ts';
import { connectTo } from '../../../support/jobs-site.ts';
import { entryOf } from '../../../support/reloading-service.ts';
import { SimulatedApi } from '../../../support/simulated-api.ts';
import { CliProcess } from '../../cli-process.ts';

const TASK_SECONDS = 600;
const TOOL = 'backup_guest_to_cluster';
const soon = { timeout: 20_000, interval: 20 };

type Line = Record<string, unknown>;
type Start = Awaited<ReturnType<Awaited<ReturnType<typeof site>>['serve']>>;

/** `serve` as a process of its own over two simulated clusters, whose tasks end when the test says so. */
async function site() {
  const api = await SimulatedApi.start({
    ...{ clusters: HOME_AND_AWAY, taskSeconds: TASK_SECONDS, resourcesLagSeconds: 0 },
  });
  onTestFinished(() => api.close());
  const clusters = Object.fromEntries(api.simulator.clusters.map((one) => [one.name, entryOf(one)]));
  const folder = folderWith({
    '.env':
      'MCP_JWT_SECRET=jobs-test-secret-of-more-than-32-bytes-0001\nMCP_PORT=0\nCACHE_DIR=cache\nSTATE_FILE=state.db\nMCP_TOOLSETS=between\n',
    'clusters.json': { clusters },
  });
  let child: CliProcess | undefined;
  const serve = async () => {
    child = new CliProcess(['serve'], { cwd: folder });
    const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
    const call = await connectTo(new URL(url), 'alice');
    return (args: Line) => call(TOOL, { cluster: 'home', to: 'away', action: 'start', ...args });
  };
  const sent = (part: RegExp) =>
    api.simulator.clusters
      .flatMap(({ requests }) => requests)
      .filter(
        ({ method, path }) => method !== 'GET' && part.test(`${method} ${path.replace('/api2/json', '')}`),
      );
  return {
    serve,
    sent,
    cluster: (name: string) => api.simulator.cluster(name),
    endTasks: () => api.pass(TASK_SECONDS),
    /** The next such call is carried out, and its answer does not come before the process is killed. */
    swallow(name: string, match: RegExp) {
      return api.simulator.cluster(name).faults.add({ kind: 'slow-headers', match, ms: 60_000, times: 1 });
    },
    async kill() {
      await child?.stop('SIGKILL');
    },
  };
}

/** Goes on until the call neither runs nor asks; the tasks end at once. */
async function through(start: Start, args: Line, endTasks: () => void): Promise<Line> {
  let more: Line = {};
  for (let calls = 0; calls < 12; calls += 1) {
    endTasks();
    const { data, error } = await start({ ...args, wait_seconds: 1, ...more });
    if (error === undefined && data.status !== 'unfinished') return data;
    more = error === undefined ? {} : handleIn(error);
  }
  throw new Error('it came to no end');
}

/** Of the plan that an error shows. */
function handleIn(error: unknown): Line {
  const { code, plan } = error as { code: string; plan?: Line };
  if (code !== 'APPROVAL_REQUIRED') throw new Error(JSON.stringify(error));
  return { handle: plan?.handle };
}

describe('a process that is killed', () => {
  it('while the backup is made, and again before the restore, makes neither twice', async () => {
    const { serve, sent, swallow, kill, endTasks, cluster } = await site();
    swallow('home', /^POST .*\/vzdump$/);
    const first = await serve();
    void first({ name: 'idle', wait_seconds: 60 }).catch(() => undefined);
    await vi.waitFor(() => expect(sent(/vzdump$/)).toHaveLength(1), soon);
    await kill();

    const second = await serve();
    endTasks();
    const { error } = await second({ name: 'idle', wait_seconds: 60 });
    expect(error).toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: expect.stringContaining('POST /nodes/a1/qemu vmid=201'),
    });
    await kill();

    const third = await serve();
    expect(await through(third, { name: 'idle' }, endTasks)).toMatchObject({
      status: 'copied',
      copy: { vmid: 201 },
    });
    expect(sent(/vzdump$/)).toHaveLength(1);
    expect(sent(/^POST \/nodes\/a1\/qemu$/)).toHaveLength(1);
    expect(cluster('home').state.volumes.filter(({ content }) => content === 'backup')).toHaveLength(1);
  }, 90_000);

  it('while the restore runs, and again while it is settled and started, sends nothing a second time', async () => {
    const { serve, sent, swallow, kill, endTasks, cluster } = await site();
    const args = { name: 'shop', stop_source: true };
    const plans = await serve();
    const planOf = async (start: Start, more: Line = {}) =>
      handleIn((await start({ ...args, wait_seconds: 60, ...more })).error);
    const ending = setInterval(endTasks, 300);
    onTestFinished(() => clearInterval(ending));
    const restorePlan = await planOf(plans, await planOf(plans));
    clearInterval(ending);
    swallow('away', /^POST \/nodes\/a1\/qemu$/);
    void plans({ ...args, ...restorePlan, wait_seconds: 60 }).catch(() => undefined);
    await vi.waitFor(() => expect(sent(/^POST \/nodes\/a1\/qemu$/)).toHaveLength(1), soon);
    await kill();

    const second = await serve();
    endTasks();
    // What is left is asked for anew: bridges and the start.
    const rest = await planOf(second);
    swallow('away', /^PUT .*config$/);
    void second({ ...args, ...rest, wait_seconds: 60 }).catch(() => undefined);
    await vi.waitFor(() => expect(sent(/^PUT .*config$/)).toHaveLength(1), soon);
    await kill();

    const third = await serve();
    const last = await planOf(third);
    swallow('away', /status\/start$/);
    void third({ ...args, ...last, wait_seconds: 60 }).catch(() => undefined);
    await vi.waitFor(() => expect(sent(/status\/start$/)).toHaveLength(1), soon);
    await kill();

    const fourth = await serve();
    expect(await through(fourth, args, endTasks)).toMatchObject({ status: 'running' });
    for (const write of [
      /shutdown$/,
      /vzdump$/,
      /^POST \/nodes\/a1\/qemu$/,
      /^PUT .*config$/,
      /status\/start$/,
    ]) {
      expect(sent(write)).toHaveLength(1);
    }
    expect(cluster('home').state.guests.get(200)?.status).toBe('stopped');
    expect(cluster('away').state.guests.get(200)?.status).toBe('running');
  }, 120_000);
});
