import { describe, expect, it } from 'vitest';
import { runCli } from '../integration/cli-process.ts';
import { SECRET_CALLS, type SecretCall } from '../support/canary-parameters.ts';
import { CanaryService } from '../support/canary-service.ts';
import { sendJson } from '../support/wire-server.ts';

type Tool = Awaited<ReturnType<CanaryService['connect']>>;
type Answering = NonNullable<CanaryService['fronts']['production']['answer']>;

/** What was said, and what must not be in it; made by the first test, judged by the others. */
const evidence = {
  said: '',
  secrets: new Map(SECRET_CALLS.map(({ name, secret }) => [name, secret])),
  meant: 0,
};

const PLAIN = { method: 'GET', path: '/nodes' };
/** Answers of a failing server, or of a proxy, that tell what they were asked. */
const ECHOES: readonly [status: number, message: (text: string) => string][] = [
  [400, (text) => `Parameter verification failed. ${text}`],
  [500, (text) => `unable to do it: ${text}`],
  [403, (text) => `Permission check failed (/vms/100, ${text})`],
  [404, (text) => `no such thing '${text}'`],
  [501, (text) => `Method '${text}' not implemented`],
  [596, (text) => text],
];

function echo(status: number, message: (text: string) => string, isSuccess = false): Answering {
  return (request, response) => {
    const { headers, url = '', body } = request;
    const said = [headers.authorization, headers.cookie, headers.csrfpreventiontoken, url, body];
    const decoded = said.map((text) => decodeURIComponent(String(text ?? '').replaceAll('+', ' ')));
    const plain = [...said, ...decoded].join(' ');
    const text = [plain, Buffer.from(plain).toString('base64'), encodeURIComponent(plain)].join(' ');
    const short = [...decoded, ...said].map((part) => message(String(part ?? '').slice(0, 400)));
    const errors = Object.fromEntries(short.map((part, index) => [`parameter-${index}`, part]));
    if (isSuccess)
      return sendJson(response, 200, { data: { echo: text, list: [text, { [plain.slice(0, 200)]: 1 }] } });
    sendJson(response, status, { data: null, message: message(plain), errors });
  };
}

/** Every call at once, with some of its parameters changed. */
async function callAll(
  tool: Tool,
  changes: (call: SecretCall) => Record<string, unknown> = () => ({}),
  signal?: AbortSignal,
) {
  const options = signal === undefined ? {} : { signal };
  await Promise.all(
    SECRET_CALLS.map((call) => {
      const { method, path, data } = call;
      const args = { cluster: 'production', method, path, data: { ...data, ...changes(call) } };
      return tool('proxmox_api_call', args, options);
    }),
  );
}

async function driveCalls(service: CanaryService, admin: Tool, reader: Tool): Promise<void> {
  const { production, staging } = service.fronts;
  await callAll(admin);
  await callAll(admin, () => ({ 'no-such-parameter': 1, vmid: 'not a number' }));
  await callAll(admin, ({ parameter, secret }) => ({ [parameter]: { deep: secret } }));
  await callAll(admin, ({ parameter, secret }) => ({ [parameter]: [secret, secret] }));
  await callAll(reader);
  for (const [status, message] of ECHOES) {
    production.answer = echo(status, message);
    staging.answer = production.answer;
    await callAll(admin);
    await admin('proxmox_api_call', { cluster: 'staging', ...PLAIN });
    await admin('proxmox_api_call', {
      cluster: 'staging',
      method: 'PUT',
      path: '/pools',
      data: { poolid: 'web' },
    });
  }
  production.answer = staging.answer = echo(200, (text) => text, true);
  for (const cluster of ['production', 'staging']) {
    await admin('proxmox_api_call', { cluster, ...PLAIN });
    for (const tool of [
      'list_nodes',
      'get_cluster_resources',
      'find_guests',
      'cluster_health',
      'list_tasks',
    ]) {
      await admin(tool, { cluster });
    }
  }
  production.answer = () => undefined;
  await callAll(admin, () => ({}), AbortSignal.timeout(300));
}

async function driveTrouble(service: CanaryService, admin: Tool): Promise<void> {
  const { production, staging } = service.fronts;
  production.answer = staging.answer = (_request, _response, socket) => void socket.destroy();
  await callAll(admin);
  await admin('cluster_health', {});
  production.answer = staging.answer = undefined;
  // The old token stays a secret when a reload brings a new one.
  const { state, user, tokenId } = service.simulator.cluster('production');
  const token = state.access.findToken(user, tokenId);
  if (token) token.secret = 'c4n4ry00-0000-4000-8000-00000000beef';
  await admin('proxmox_api_call', { cluster: 'production', ...PLAIN });
  service.writeClusters();
  service.reload();
  await admin('proxmox_api_call', { cluster: 'production', ...PLAIN });
  staging.answer = production.answer = echo(401, (text) => `authentication failure ${text}`);
  for (const cluster of ['production', 'staging']) {
    await admin('proxmox_api_call', { cluster, ...PLAIN });
    await admin('proxmox_api_call', { cluster, ...PLAIN });
  }
  production.answer = staging.answer = undefined;
}

/** Answers that are meant to hold a secret: it is in them, and nowhere else. */
async function driveMeant(service: CanaryService, admin: Tool): Promise<void> {
  const path = '/access/users/mcp@pve/token/canary';
  const call = { cluster: 'production', method: 'POST', path };
  // A credential that works beside this service is made only with a person's approval.
  const refusal = (await admin('proxmox_api_call', call))?.structuredContent.error as
    | { plan?: { number: number } }
    | undefined;
  const approver = await service.bearer('proxmox:approve');
  await service.http(`/approvals/${refusal?.plan?.number}/approve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${approver}` },
  });
  const answer = await admin('proxmox_api_call', call, { meant: true });
  const data = answer?.structuredContent.data as { value?: string } | undefined;
  if (data?.value !== undefined) {
    evidence.meant++;
    service.secrets.set('the secret of a new token', data.value);
    await admin('proxmox_api_call', { cluster: 'production', method: 'GET', path });
  }
}

async function driveHttp(service: CanaryService, good: string): Promise<void> {
  const expired = await service.bearer('proxmox:read', -60);
  const garbage = 'c4n4ry-bearer+garbage/0123456789';
  service.secrets.set('a bearer token that is none', garbage);
  for (const token of [expired, garbage, `${good}x`, `${good} ${good}`]) {
    await service.http('/mcp', { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{}' });
    await service.http('/sse', { headers: { authorization: `Bearer ${token}` } });
  }
  const json = { 'content-type': 'application/json', authorization: `Bearer ${good}` };
  await service.http(`/mcp?access_token=${good}&token=${encodeURIComponent(garbage)}`, {
    method: 'POST',
    headers: json,
    body: '{',
  });
  await service.http('/mcp', {
    method: 'POST',
    headers: { ...json, 'mcp-session-id': 'x' },
    body: `{"a":"${garbage}"`,
  });
  await service.http('/mcp', {
    method: 'DELETE',
    headers: { authorization: `Basic ${btoa(`user:${garbage}`)}` },
  });
  await service.http('/mcp', {
    method: 'POST',
    headers: { ...json, cookie: `session=${garbage}` },
    body: 'x'.repeat(10),
  });
}

async function driveCli(service: CanaryService, token: string): Promise<void> {
  const [first] = SECRET_CALLS;
  const call = JSON.stringify({ cluster: 'production', method: 'GET', path: '/nodes', data: first?.data });
  const commands = [
    ['config', 'show'],
    ['config', 'show', '--json'],
    ['check'],
    ['check', '--json'],
    ['call', 'proxmox_api_call', '--args', call, '--url', service.url.href],
  ];
  for (const args of commands) {
    const { stdout, stderr } = await runCli(args, { cwd: service.folder, env: { MCP_TOKEN: token } });
    service.said.push(stdout, stderr);
    expect(stdout + stderr, args.join(' ')).not.toBe('');
  }
}

/** As whoever looks for it would: the secret alone, and amid other bytes of base64. */
function formsOf(secret: string): string[] {
  const base64 = [0, 1, 2].flatMap((before) => {
    const text = Buffer.from(`${'x'.repeat(before)}${secret}`).toString('base64');
    return [text.slice(4, -4), text.slice(4, -4).replaceAll('+', '-').replaceAll('/', '_')];
  });
  const [whole, url] = [Buffer.from(secret).toString('base64'), encodeURIComponent(secret)];
  const hex = Buffer.from(secret).toString('hex');
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [
    secret,
    inJson,
    url,
    url.toLowerCase(),
    encodeURIComponent(url),
    whole,
    encodeURIComponent(whole),
    hex,
    ...base64,
  ];
}

describe('secrets', () => {
  it('are driven through the whole service, in good days and bad ones', async () => {
    const service = await CanaryService.start();
    const good = await service.bearer('proxmox:admin');
    const admin = await service.connect(good);
    const reader = await service.connect(await service.bearer('proxmox:read'));
    const bot = await service.connect(await service.apiKey('proxmox:read'));
    for (const tool of ['list_clusters', 'list_nodes', 'cluster_health']) await bot(tool, {});
    await driveMeant(service, admin);
    await driveCalls(service, admin, reader);
    await driveHttp(service, good);
    await driveTrouble(service, admin);
    // Before other processes log in: this one can't know their tickets.
    service.logCarelessly();
    await driveCli(service, good);
    evidence.said = service.said.join('\n');
    for (const [name, secret] of service.secrets) evidence.secrets.set(name, secret);
    expect(service.said.length).toBeGreaterThan(1000);
  }, 60_000);

  it('came close: calls, refusals, failures and logs of all levels were looked through', () => {
    const { said } = evidence;
    for (const text of [
      'INVALID_ARGUMENTS',
      'POLICY_DENIED',
      'UPSTREAM_ERROR',
      'UPSTREAM_AUTH',
      'PERMISSION_DENIED',
      'NOT_FOUND',
      '[redacted]',
      'proxmox call begins',
      'careless',
      'configuration reloaded',
      'token_secret',
    ]) {
      expect(said, text).toContain(text);
    }
    expect(evidence.meant).toBe(1);
    for (const name of [
      'a ticket',
      'a CSRF token',
      'an API key',
      'a sealed token',
      'CLUSTERS_KEY',
      'the secret of a new token',
    ]) {
      const known = [...evidence.secrets].filter(([key]) => key.startsWith(name));
      expect(known.length, name).toBeGreaterThan(0);
      for (const [, secret] of known) expect(secret.length, name).toBeGreaterThan(15);
    }
  });

  it('are more than 25, and each of them is nowhere', () => {
    expect(evidence.secrets.size).toBeGreaterThan(40);
    const found = [...evidence.secrets].flatMap(([name, secret]) =>
      formsOf(secret).flatMap((form) => {
        const at = evidence.said.indexOf(form);
        return at < 0
          ? []
          : [`${name} as ${form}: …${evidence.said.slice(Math.max(0, at - 200), at + form.length + 60)}…`];
      }),
    );
    expect(found).toEqual([]);
  });
});
