import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

// Debian's python3-proxmoxer belongs to Debian's Python, which need not be the first on the PATH.
const PYTHON = '/usr/bin/python3';
const present = spawnSync(PYTHON, ['-c', 'import proxmoxer, requests']).status === 0;
const script = fileURLToPath(new URL('./proxmoxer_flow.py', import.meta.url));

interface Step {
  step: string;
  how: string;
  [found: string]: unknown;
}

describe.skipIf(!present)('proxmoxer (skipped where Debian’s python3-proxmoxer is not installed)', () => {
  let simulator: Simulator;
  let steps: Step[];
  let failure: string;

  beforeAll(async () => {
    simulator = await startSimulator({ taskSeconds: 0.05, authDelaySeconds: 0 });
    const [cluster] = simulator.clusters;
    if (!cluster) throw new Error('the estate is empty');
    const [host, port] = cluster.url.split(':');
    const { user, tokenId: token_id, tokenSecret: token_secret, password } = cluster;
    ({ steps, failure } = await run({
      host,
      port,
      user,
      token_id,
      token_secret,
      password,
      node: 'pve1',
      storage: 'local-lvm',
    }));
  });

  afterAll(() => simulator.close());

  it('goes through to its end', () => {
    expect(failure).toBe('');
    expect(steps.at(-1)).toEqual({ step: 'refused', how: 'ticket' });
  });

  it.each(['token', 'ticket'])(
    'lists, creates, starts, snapshots, clones, changes and deletes by %s',
    (how) => {
      const found = Object.fromEntries(
        steps.filter((step) => step.how === how).map((step) => [step.step, step]),
      );
      expect(found.nodes).toMatchObject({ names: ['pve1', 'pve2', 'pve3'] });
      for (const step of ['create', 'start', 'snapshot', 'clone', 'stop', 'delete']) {
        expect(found[step], step).toMatchObject({ exit: 'OK' });
      }
      expect(found.status).toMatchObject({ status: 'running' });
      expect(found.snapshots).toMatchObject({ names: ['current', 'first'] });
      expect(found.config).toMatchObject({ description: 'changed by proxmoxer' });
      expect(found.left).toMatchObject({ ours: [] });
      expect(found.missing).toMatchObject({ status: 500 });
    },
  );
});

function run(input: object): Promise<{ steps: Step[]; failure: string }> {
  const child = spawn(PYTHON, [script], { stdio: 'pipe', timeout: 60_000 });
  let out = '';
  let failure = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    failure += chunk;
  });
  child.stdin.end(JSON.stringify(input));
  return new Promise((resolve) => {
    child.on('close', () => {
      const lines = out.split('\n').filter((line) => line !== '');
      resolve({ steps: lines.map((line) => JSON.parse(line) as Step), failure });
    });
  });
}
