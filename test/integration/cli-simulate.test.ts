import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import type { SimulatedAccess } from '../../src/cli/simulated.ts';
import { parseFault } from '../../src/simulator/faults/parse.ts';
import { folderWith } from '../support/config-folder.ts';
import { CliProcess, runCli } from './cli-process.ts';

const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
afterAll(() => dispatcher.destroy());

/** Starts `simulate --json` and waits for its line. */
async function started(args: readonly string[]): Promise<{
  process: CliProcess;
  cluster: (name: string) => SimulatedAccess;
}> {
  const process = new CliProcess(['simulate', '--json', '--task-seconds', '0', ...args]);
  const [line] = await process.shows('stdout', /^.*\n/);
  const clusters: SimulatedAccess[] = JSON.parse(line).clusters;
  const cluster = (name: string): SimulatedAccess => {
    const found = clusters.find((candidate) => candidate.name === name);
    if (!found) throw new Error(`no cluster ${name} in ${line}`);
    return found;
  };
  return { process, cluster };
}

interface Reply {
  status: number;
  data: unknown;
}

async function ask(
  cluster: SimulatedAccess,
  path: string,
  body?: Record<string, string>,
  headersTimeout = 5000,
): Promise<Reply> {
  const response = await request(`https://${cluster.url}/api2/json${path}`, {
    dispatcher,
    method: body ? 'POST' : 'GET',
    headersTimeout,
    headers: {
      authorization: `PVEAPIToken=${cluster.user}!${cluster.token_id}=${cluster.token_secret}`,
      ...(body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    },
    ...(body ? { body: new URLSearchParams(body).toString() } : {}),
  });
  const text = await response.body.text();
  return { status: response.statusCode, data: text === '' ? null : JSON.parse(text).data };
}

describe('simulate', () => {
  it('prints clusters that another process reaches, and ends with 0', async () => {
    const simulate = new CliProcess(['simulate', '--json', '--task-seconds', '0']);
    const [line] = await simulate.shows('stdout', /^.*\n/);
    const { clusters } = JSON.parse(line);
    expect(clusters.map(({ name }: { name: string }) => name)).toEqual([
      'production',
      'staging',
      'disaster-recovery',
    ]);
    const entries = clusters.map(({ name, ...access }: { name: string }) => [name, access]);
    const cwd = folderWith({ 'clusters.json': { clusters: Object.fromEntries(entries) } });
    expect((await runCli(['check'], { cwd })).code).toBe(0);
    expect(await simulate.stop()).toEqual({ code: 0, stdout: line, stderr: '' });
  });

  it('prints a clusters.json to paste, with a port for each node from the first one on', async () => {
    // Six in a row, below the range that the system gives free ones from.
    const first = 20_000 + (process.pid % 2000) * 6;
    const simulate = new CliProcess(['simulate', '--port', String(first)]);
    await simulate.shows('stdout', /Ctrl-C stops it/);
    const file = JSON.parse(/\n\{\n[\s\S]*\n\}\n/.exec(simulate.stdout)?.[0] ?? '');
    expect(file.clusters.production).toMatchObject({
      url: `127.0.0.1:${first}`,
      endpoints: [`127.0.0.1:${first + 1}`, `127.0.0.1:${first + 2}`],
    });
    const { code, stdout } = await runCli(['check', '--json'], {
      cwd: folderWith({ 'clusters.json': file }),
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).clusters.flatMap(({ endpoints }: { endpoints: [] }) => endpoints)).toHaveLength(
      6,
    );

    const second = await runCli(['simulate', '--port', String(first)]);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/in use\.\nChoose another --port/);
  });

  it.each([
    [['--port', '65534'], 1, /can't listen/],
    [['--port', '70000'], 2, /port from 1 to 65535/],
    [['--task-seconds', 'x'], 2, /number of seconds/],
    [['--host', '192.0.2.1'], 1, /can't listen on 192\.0\.2\.1/],
    [['--guests', '0'], 2, /number of guests from 1 to/],
    [['--guests', '5', '--seed', 'x.json'], 2, /exclude each other\.\nLeave one/],
    [['--lag', '-1'], 2, /number of seconds/],
    [['--seed', '/nowhere/lab.json'], 2, /--seed: can't read .*ENOENT[\s\S]*\nGive a file that --save/],
    [['--schema', '/nowhere/apidoc.js'], 2, /--schema: can't read .*ENOENT[\s\S]*\nGive a host's/],
    [['--schema', import.meta.filename], 2, /--schema: can't read an API/],
    [['--save', '/nowhere/lab.json'], 2, /--save: can't write .*\nChoose another file/],
    [['--save', tmpdir()], 2, /--save: .* is a folder/],
    [['--fault', 'hagn'], 2, /--fault hagn: unknown fault 'hagn'[\s\S]*simulate --help lists/],
    [['--fault', 'slow'], 2, /--fault slow: .*ms/],
    [['--fault', 'hang:cluster=nope'], 2, /no cluster 'nope'\.\nThe clusters are: production, staging/],
    [['--fault', 'node-down:node=pve9'], 2, /no node 'pve9' in production, staging.*\n.*pve1, pve2/],
    [['--fault', 'lock-held:vmid=9'], 2, /no guest 9 in .*\nIn production: guest 100/],
    [['--fault', 'storage-full:storage=nope'], 2, /no storage 'nope' in .*\n.*local-lvm/],
  ])('refuses %j', async (args, expected, message) => {
    const { code, stdout, stderr } = await runCli(['simulate', ...args]);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('unexpected failure');
  });
});

describe('simulate --fault', () => {
  const SPECS: Record<string, string> = {
    slow: 'slow:ms=1',
    status: 'status:code=500',
    'lock-held': 'lock-held:vmid=100,lock=backup',
    'storage-full': 'storage-full:storage=local',
    'node-down': 'node-down:node=pve2',
    'clock-skew': 'clock-skew:ahead=60',
  };
  const kinds = (): string[] => {
    try {
      parseFault('');
    } catch (error) {
      return String(error).split('there are ')[1]?.split(', ') ?? [];
    }
    return [];
  };

  it('is explained, kind by kind, in the help', async () => {
    const { stdout } = await runCli(['simulate', '--help']);
    expect(kinds().length).toBeGreaterThanOrEqual(26);
    const explained = kinds().filter((kind) => new RegExp(`^ {2}${kind} +[\\w1]`, 'm').test(stdout));
    expect(explained).toEqual(kinds());
    expect(stdout).toMatch(/--fault 'hang:POST/);
  });

  it('takes every kind, and says which cluster has it', async () => {
    const specs = kinds().map((kind) => SPECS[kind] ?? kind);
    const process = new CliProcess(['simulate', ...specs.flatMap((spec) => ['--fault', spec])]);
    await process.shows('stdout', /Ctrl-C stops it/);
    const production = process.stdout.slice(0, process.stdout.indexOf('\nstaging\n'));
    for (const spec of specs) expect(production).toContain(`  fault         ${spec}\n`);
    // Has one node, and that is another.
    expect(process.stdout.slice(process.stdout.indexOf('\ndisaster-recovery\n'))).not.toContain('node-down');
    expect(await process.stop()).toMatchObject({ code: 0, stderr: '' });
  });

  it('hang: one call of one cluster is never answered', async () => {
    const { cluster } = await started(['--fault', 'hang:GET /version:times=1,cluster=staging']);
    expect((await ask(cluster('production'), '/version')).status).toBe(200);
    await expect(ask(cluster('staging'), '/version', undefined, 400)).rejects.toThrow(/Headers Timeout/);
    expect((await ask(cluster('staging'), '/version')).status).toBe(200);
  });

  it('storage-full: a disk finds no room, but elsewhere', async () => {
    const { cluster } = await started(['--fault', 'storage-full:storage=local-lvm,cluster=staging']);
    const create = async (name: string, node: string): Promise<unknown> => {
      const guest = { vmid: '950', scsi0: 'local-lvm:1' };
      const { data } = await ask(cluster(name), `/nodes/${node}/qemu`, guest);
      return (await ask(cluster(name), `/nodes/${node}/tasks/${String(data)}/status`)).data;
    };
    expect(await create('production', 'pve1')).toMatchObject({ exitstatus: 'OK' });
    const [node] = (await ask(cluster('staging'), '/nodes')).data as { node: string }[];
    expect(await create('staging', node?.node ?? '')).toMatchObject({
      exitstatus: expect.stringContaining('No space left'),
    });
  });
});

describe('simulate, with clusters of its own', () => {
  it('--seed with a state that can not be: 2, before anything listens', async () => {
    const cluster = { name: 'one', nodes: [{ name: 'n1' }], state: { guests: 5 } };
    const file = join(folderWith({ 'lab.json': [cluster] }), 'lab.json');
    const { code, stdout, stderr } = await runCli(['simulate', '--seed', file]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/--seed: .*lab\.json holds a state .*"guests" is not as .*\nGive a file that/);
  });

  it('--save and --seed: a guest is there again, and so are the tokens', async () => {
    const folder = folderWith({});
    const file = join(folder, 'lab.json');
    const first = await started(['--save', file]);
    const production = first.cluster('production');
    expect((await ask(production, '/nodes/pve2/qemu', { vmid: '950', name: 'kept' })).status).toBe(200);
    expect(await first.process.stop()).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(folder)).toEqual(['lab.json']);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const second = await started(['--seed', file, '--save', file]);
    const { token_secret } = production;
    expect(second.cluster('production')).toMatchObject({ token_secret });
    const { data } = await ask(second.cluster('production'), '/nodes/pve2/qemu/950/config');
    expect(data).toMatchObject({ name: 'kept' });
    expect((await second.process.stop()).code).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).clusters).toHaveLength(3);
  });

  it('--save says so, and gives 1, when it can not write at the end', async () => {
    const folder = folderWith({});
    const { process } = await started(['--save', join(folder, 'lab.json')]);
    rmSync(folder, { recursive: true });
    const { code, stderr } = await process.stop();
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: The clusters could not be saved: ENOENT/);
  });

  it('--schema: a cluster has exactly the API of the file', async () => {
    const info = (name: string) => ({
      GET: {
        name,
        parameters: { properties: {} },
        permissions: { user: 'all' },
        returns: { type: 'object', properties: { answer: { type: 'integer' } } },
      },
    });
    const tree = ['version', 'thing'].map((name) => ({ path: `/${name}`, text: name, info: info(name) }));
    const apidoc = `const apiSchema = ${JSON.stringify(tree)};\nlet viewer = "]";\n`;
    const { cluster } = await started(['--schema', join(folderWith({ 'apidoc.js': apidoc }), 'apidoc.js')]);
    const asked = await Promise.all(
      ['/version', '/thing', '/nodes'].map((path) => ask(cluster('staging'), path)),
    );
    expect(asked.map(({ status }) => status)).toEqual([200, 200, 501]);
    expect(asked[1]?.data).toEqual({ answer: 0 });
  });

  it('--guests and --lag: as many as asked, in an inventory that is as late as asked', async () => {
    const { cluster } = await started(['--guests', '300', '--lag', '0']);
    const inventory = async (): Promise<unknown[]> => {
      return (await ask(cluster('large'), '/cluster/resources?type=vm')).data as unknown[];
    };
    expect(await inventory()).toHaveLength(300);
    await ask(cluster('large'), '/nodes/node01/qemu', { vmid: '9000', name: 'new' });
    expect(await inventory()).toHaveLength(301);
  });
});
