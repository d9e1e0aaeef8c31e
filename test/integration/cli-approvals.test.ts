import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { asking, planOf, principal, type TestApprovals, testApprovals } from '../support/approvals.ts';
import { folderWith } from '../support/config-folder.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';
import { freePort, runCli } from './cli-process.ts';

let tested: TestApprovals;
let service: TestService;
let url: string;
let approver: string;
let number: number;

beforeAll(async () => {
  tested = testApprovals();
  service = await buildService({
    estate: directoryOf(new RecordingCluster('production')),
    approvals: tested.approvals,
  });
  url = await service.listen();
  approver = await tokenFor('bob', 'proxmox:approve');
});
afterAll(() => service.close());

let asked = 0;
const request = () => asking({ kind: 'person', principal: principal(`agent-${asked}`) });

beforeEach(async () => {
  asked += 1;
  number = (await planOf(tested.approvals.require(request(), undefined))).plan.number;
});

function approvals(args: string[], env: Record<string, string> = { MCP_APPROVER_TOKEN: approver }) {
  return runCli(['approvals', ...args, '--url', url], { env, cwd: folderWith() });
}

const isApplied = () =>
  tested.approvals.require(request(), undefined).then(
    () => true,
    () => false,
  );

it('lists and shows the plans that wait', async () => {
  const list = await approvals(['list']);
  expect(list).toMatchObject({ code: 0, stderr: '' });
  expect(list.stdout).toContain(
    `${number}  "web-1" (VM 100) cluster "production": DELETE /nodes/pve1/qemu/100`,
  );
  const show = await approvals(['show', String(number)]);
  expect(show.stdout).toMatch(/^"web-1" \(VM 100\), running on node "pve1"\n/);
  const json = JSON.parse((await approvals(['list', '--json'])).stdout);
  expect(json.plans).toContainEqual(expect.objectContaining({ number, state: 'pending' }));
});

it('approves with --yes, once', async () => {
  const { code, stdout } = await approvals(['approve', String(number), '--yes', '--reason', 'fine']);
  expect(code).toBe(0);
  expect(stdout).toContain('"web-1" (VM 100)');
  expect(stdout).toContain(`Plan ${number} is approved. The same call goes through once`);
  expect(await isApplied()).toBe(true);
  expect(await isApplied()).toBe(false);
  const again = await approvals(['approve', String(number), '--yes']);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining(`Plan ${number} is used already`) });
});

it('asks, and where there is no terminal approves nothing', async () => {
  const { code, stdout, stderr } = await approvals(['approve', String(number)]);
  expect(code).toBe(2);
  expect(stdout).toContain('"web-1" (VM 100)');
  expect(stderr).toContain('There is no terminal to ask on');
  expect(await isApplied()).toBe(false);
});

it('denies with a reason', async () => {
  const { code, stdout } = await approvals(['deny', String(number), '--reason', 'not today']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `Plan ${number} is denied.\n` });
  await expect(tested.approvals.require(request(), undefined)).rejects.toThrow('not today');
});

it('never takes the token of the assistant, nor one out of a .env', async () => {
  const token = await tokenFor('bob', 'proxmox:approve');
  const withMcpToken = await approvals(['approve', String(number), '--yes'], { MCP_TOKEN: token });
  expect(withMcpToken).toMatchObject({ code: 2, stderr: expect.stringContaining('MCP_APPROVER_TOKEN') });
  const cwd = folderWith({ '.env': `MCP_APPROVER_TOKEN=${token}\n` });
  const fromFile = await runCli(['approvals', 'approve', String(number), '--yes', '--url', url], { cwd });
  expect(fromFile.code).toBe(2);
  expect(await isApplied()).toBe(false);
});

it('an assistant with a shell and its own token gets nowhere', async () => {
  const agent = await tokenFor('agent', 'proxmox:admin');
  for (const args of [['list'], ['show', String(number)], ['approve', String(number), '--yes']]) {
    const { code, stdout, stderr } = await approvals([...args, '--token', agent], {});
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('does not hold proxmox:approve');
    expect(stderr).not.toContain(agent);
  }
  expect(await isApplied()).toBe(false);
});

it('says what is wrong with a number, a token and an address', async () => {
  expect(await approvals(['approve', '99999', '--yes'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('No plan 99999'),
  });
  expect((await approvals(['approve', 'all', '--yes'])).code).toBe(2);
  expect((await approvals(['list'], { MCP_APPROVER_TOKEN: 'nonsense' })).code).toBe(3);
  const nowhere = await runCli(['approvals', 'list', '--url', `http://127.0.0.1:${await freePort()}`], {
    env: { MCP_APPROVER_TOKEN: approver },
    cwd: folderWith(),
  });
  expect(nowhere).toMatchObject({ code: 3, stderr: expect.stringContaining("can't be reached") });
});
