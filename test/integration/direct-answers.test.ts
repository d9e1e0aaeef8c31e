import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLegacyServer } from '../../src/mcp/legacy.ts';
import { createModernServer } from '../../src/mcp/modern.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

/** One service as it is, and one whose doors know no short way: the SDKs answer everything. */
interface Site {
  service: TestService;
  url: string;
  session: string;
}

const REVISION = '2026-07-28';
const PLAIN = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
const ROWS = [{ id: 'node/pve1', type: 'node', node: 'pve1', status: 'online', note: 'ähnlich ’ } { "' }];
/** Of one answer alone, or of how it was sent. */
const OF_THE_WAY = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'date',
  'keep-alive',
  'mcp-session-id',
  'transfer-encoding',
  'x-request-id',
]);

let authorization: string;
let ours: Site;
let sdks: Site;

beforeAll(async () => {
  authorization = `Bearer ${await tokenFor('alice', 'proxmox:read')}`;
  ours = await start();
  sdks = await start({ legacy: createLegacyServer, modern: createModernServer });
});
afterAll(() => Promise.all([ours, sdks].map(({ service }) => service.close())));

async function start(servers?: Parameters<typeof buildService>[0]['servers']): Promise<Site> {
  const cluster = new RecordingCluster('production');
  cluster.reply = () => ROWS;
  const service = await buildService({ estate: directoryOf(cluster), ...(servers ? { servers } : {}) });
  const site = { service, url: await service.listen(), session: '' };
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } };
  const opened = await send(site, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, PLAIN);
  const session = opened.headers.get('mcp-session-id') ?? '';
  await opened.text();
  return { ...site, session };
}

function send({ url }: Site, body: unknown, headers: Record<string, string>): Promise<Response> {
  const init = { method: 'POST', headers: { authorization, ...headers }, body: JSON.stringify(body) };
  return fetch(new URL('/mcp', url), init);
}

async function shown(response: Response) {
  const headers = [...response.headers].filter(([name]) => !OF_THE_WAY.has(name));
  return { status: response.status, headers: Object.fromEntries(headers), text: await response.text() };
}

async function bothAnswer(body: unknown, headersAt: (site: Site) => Record<string, string>) {
  const [own, sdk] = await Promise.all([ours, sdks].map((site) => send(site, body, headersAt(site))));
  if (own === undefined || sdk === undefined) throw new Error('one did not answer');
  const isShort = own.headers.has('content-length') && own.headers.get('transfer-encoding') === null;
  const answer = await shown(own);
  expect(answer).toEqual(await shown(sdk));
  return { ...answer, isShort, isPacked: own.headers.get('content-encoding') === 'gzip' };
}

const call = (name: string, args?: unknown, more: object = {}) => ({
  jsonrpc: '2.0',
  id: 7,
  method: 'tools/call',
  params: { name, ...(args === undefined ? {} : { arguments: args }), ...more },
});
const LIST = { jsonrpc: '2.0', id: 'list "1"', method: 'tools/list' };
const READ = call('proxmox_api_call', { path: '/cluster/resources' });

describe('a request on a session is answered as the SDK would', () => {
  const atSession =
    (more: Record<string, string> = {}) =>
    (site: Site) => ({
      ...PLAIN,
      'mcp-session-id': site.session,
      'mcp-protocol-version': '2025-06-18',
      ...more,
    });

  it.each([
    ['tools/list', LIST],
    ['tools/list with _meta', { ...LIST, params: { _meta: { progressToken: 1 } } }],
    ['a read', READ],
    ['a call without arguments', call('list_clusters_of_none')],
    ['null for arguments', call('describe_api', null)],
    ['wrong arguments', call('describe_api', { method: 'FETCH' })],
    ['one that its token may not make', call('power_guest', { vmid: 100, action: 'start' })],
    ['an unknown tool', call('no_such_tool', {})],
    ['an id that is 0', { ...READ, id: 0 }],
  ])('%s, on the short way', async (_what, body) => {
    expect(await bothAnswer(body, atSession())).toMatchObject({ status: 200, isShort: true });
  });

  it.each([
    ['tools/list with a cursor', { ...LIST, params: { cursor: 'x' } }, {}],
    ['a member too many', { ...READ, more: 1 }, {}],
    ['no name', call('', {}, { name: undefined }), {}],
    ['a name that is none', call('', {}, { name: 5 }), {}],
    ['a list for arguments', call('describe_api', []), {}],
    ['an id that is a fraction', { ...READ, id: 1.5 }, {}],
    ['an id that is null', { ...READ, id: null }, {}],
    ['another protocol version', READ, { 'mcp-protocol-version': '1999-01-01' }],
    ['an Accept without events', READ, { accept: 'application/json' }],
    ['another type', READ, { 'content-type': 'application/json; charset=utf-16' }],
    ['a batch', [READ, { ...LIST, id: 2 }], {}],
    ['another method', { ...LIST, method: 'prompts/list' }, {}],
  ])('%s, by the SDK itself', async (_what, body, headers) => {
    await bothAnswer(body, atSession(headers));
  });

  it('a list is packed for who takes it so, and only then', async () => {
    const packed = await bothAnswer(LIST, atSession({ 'accept-encoding': 'gzip' }));
    const plain = await bothAnswer(LIST, atSession({ 'accept-encoding': 'identity' }));
    expect([packed.isPacked, plain.isPacked]).toEqual([true, false]);
    expect(packed.text).toBe(plain.text);
    expect((await bothAnswer(LIST, atSession({ 'accept-encoding': 'gzip;q=0' }))).isPacked).toBe(false);
  });
});

describe('a request of revision 2026-07-28 is answered as the SDK would', () => {
  const meta = (capabilities: object = {}) => ({
    'io.modelcontextprotocol/protocolVersion': REVISION,
    'io.modelcontextprotocol/clientInfo': { name: 't', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
  });
  const headersOf = (method: string, name?: string): Record<string, string> => ({
    ...PLAIN,
    'mcp-protocol-version': REVISION,
    'mcp-method': method,
    ...(name === undefined ? {} : { 'mcp-name': name }),
  });
  const modern = (name: string, args?: unknown, capabilities?: object) =>
    call(name, args, { _meta: meta(capabilities) });
  const list = { ...LIST, params: { _meta: meta() } };
  const read = modern('proxmox_api_call', { path: '/cluster/resources' });

  it.each([
    ['tools/list', list, headersOf('tools/list')],
    ['a read', read, headersOf('tools/call', 'proxmox_api_call')],
    [
      'one of a client that can show forms',
      modern('proxmox_api_call', { path: '/version' }, { elicitation: { form: {} } }),
      headersOf('tools/call', 'proxmox_api_call'),
    ],
    ['wrong arguments', modern('describe_api', { method: 'FETCH' }), headersOf('tools/call', 'describe_api')],
    ['an unknown tool', modern('no_such_tool', {}), headersOf('tools/call', 'no_such_tool')],
    ['null for arguments', modern('describe_api', null), headersOf('tools/call', 'describe_api')],
  ])('%s, on the short way', async (_what, body, headers) => {
    const answer = await bothAnswer(body, () => headers);
    expect(answer.isShort).toBe(true);
    expect(JSON.parse(answer.text)).toMatchObject({ jsonrpc: '2.0', id: body.id });
  });

  it.each([
    ['a method that the header does not name', read, headersOf('tools/list', 'proxmox_api_call')],
    ['a name that the header does not name', read, headersOf('tools/call', 'describe_api')],
    ['no name in the header', read, headersOf('tools/call')],
    ['no method in the header', read, { ...headersOf('', 'proxmox_api_call'), 'mcp-method': '' }],
    [
      'another version in the header',
      read,
      { ...headersOf('tools/call', 'proxmox_api_call'), 'mcp-protocol-version': '2025-06-18' },
    ],
    ['nothing about itself', call('describe_api', {}), headersOf('tools/call', 'describe_api')],
    [
      'an envelope with a part missing',
      call('describe_api', {}, { _meta: { ...meta(), 'io.modelcontextprotocol/clientInfo': undefined } }),
      headersOf('tools/call', 'describe_api'),
    ],
    [
      'capabilities that are none',
      modern('describe_api', {}, [] as object),
      headersOf('tools/call', 'describe_api'),
    ],
    ['a cursor', { ...LIST, params: { cursor: 'x', _meta: meta() } }, headersOf('tools/list')],
    ['a name in the header of a list', list, headersOf('tools/list', 'x')],
  ])('%s, by the SDK itself', async (_what, body, headers) => {
    await bothAnswer(body, () => headers);
  });

  it('a list is packed for who takes it so', async () => {
    const packed = await bothAnswer(list, () => ({
      ...headersOf('tools/list'),
      'accept-encoding': 'gzip, br',
    }));
    expect(packed.isPacked).toBe(true);
    expect(JSON.parse(packed.text)).toMatchObject({
      id: LIST.id,
      result: { resultType: 'complete', ttlMs: 0 },
    });
  });
});

it('a list on a stream of SSE is, to the byte, what the SDK sends there', async () => {
  const ending = new AbortController();
  const stream = await fetch(new URL('/sse', ours.url), {
    headers: { authorization },
    signal: ending.signal,
  });
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const upTo = async (end: RegExp): Promise<string> => {
    while (!end.test(text)) text += (await reader?.read())?.value ?? '';
    const [all = '', wanted = ''] = end.exec(text) ?? [];
    text = text.replace(all, '');
    return wanted;
  };
  const post = async (body: object): Promise<number> => {
    const init = { method: 'POST', headers: { authorization, ...PLAIN }, body: JSON.stringify(body) };
    return (await fetch(new URL(endpoint, ours.url), init)).status;
  };
  const endpoint = await upTo(/event: endpoint\ndata: (\S+)\n\n/);
  expect(await post({ ...LIST, id: 1 })).toBe(202);
  const own = await upTo(/^(.*"id":1}\n\n)/s);
  expect(await post({ ...LIST, id: 2, params: { cursor: 'x' } })).toBe(202);
  const sdk = await upTo(/^(.*"id":2}\n\n)/s);
  expect(own).toMatch(/^event: message\ndata: {"result":{"tools":\[{/);
  expect(own.replace('"id":1}', '"id":2}')).toBe(sdk);
  ending.abort();
});

it('who sees another list gets another one, at once after a token with more rights', async () => {
  const names = async (scope: string): Promise<string[]> => {
    const response = await fetch(new URL('/mcp', ours.url), {
      method: 'POST',
      headers: {
        ...PLAIN,
        authorization: `Bearer ${await tokenFor('alice', scope)}`,
        'mcp-session-id': ours.session,
      },
      body: JSON.stringify(LIST),
    });
    const data = (await response.text()).split('data: ')[1] ?? '{}';
    return JSON.parse(data).result.tools.map(({ name }: { name: string }) => name);
  };
  const few = await names('proxmox:read');
  const many = await names('proxmox:admin');
  expect(few).not.toContain('power_guest');
  expect(many).toContain('power_guest');
  expect(await names('proxmox:read')).toEqual(few);
});
