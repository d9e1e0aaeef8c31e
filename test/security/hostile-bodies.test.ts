import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'hostile', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const ARGUMENTS = '{"path":"/version"}';

const cluster = new RecordingCluster('production');
let service: TestService;
let url: string;
let token: string;
let session: string;
let messages: string;
let stream: ReadableStreamDefaultReader<Uint8Array>;

beforeAll(async () => {
  service = await buildService({ estate: directoryOf(cluster) });
  url = await service.listen();
  token = await tokenFor('alice');
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'h', version: '1' } };
  const opened = await post('/mcp', JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }));
  session = opened.headers.get('mcp-session-id') ?? '';
  const sse = await fetch(`${url}/sse`, { headers: { authorization: `Bearer ${token}` } });
  stream = (sse.body as ReadableStream<Uint8Array>).getReader();
  messages = /data: (\S+)/.exec(new TextDecoder().decode((await stream.read()).value))?.[1] ?? '';
});
afterAll(async () => {
  await stream.cancel();
  await service.close();
});

interface Answer {
  status: number;
  text: string;
  headers: Headers;
}

async function post(
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: typeof body === 'string' ? body : new Uint8Array(body),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** A call whose arguments and `_meta` are given as text, so that they may be what no serialiser would make. */
function call(args: string, meta = ''): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"proxmox_api_call","arguments":${args}${meta}}}`;
}

type Way = [name: string, send: (args: string, meta?: string) => Promise<Answer>];

const WAYS: Way[] = [
  ['a session', (args, meta) => post('/mcp', call(args, meta), { 'mcp-session-id': session })],
  [
    'the stateless revision',
    (args, meta = '') =>
      post(
        '/mcp',
        call(args, `,"_meta":{${JSON.stringify(META).slice(1, -1)}${meta && `,"x":${meta.slice(9)}`}}`),
        {
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'tools/call',
          'mcp-name': 'proxmox_api_call',
        },
      ),
  ],
  ['HTTP+SSE', (args, meta) => post(messages, call(args, meta))],
];

const nested = (open: string, close: string, depth = 10_000) =>
  `${open.repeat(depth)}1${close.repeat(depth)}`;
const DEEP_ARRAY = nested('[', ']');
const DEEP_OBJECT = nested('{"a":', '}');

async function stillAnswers(): Promise<void> {
  cluster.calls.length = 0;
  const answer = await WAYS[0]?.[1](ARGUMENTS);
  expect(answer?.text).toContain('"structuredContent"');
  expect(cluster.calls).toHaveLength(1);
  // Nothing has got into what every object inherits.
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
}

describe.each(WAYS)('over %s', (_name, send) => {
  it.each([
    ['arrays 10,000 deep as arguments', DEEP_ARRAY, ''],
    ['objects 10,000 deep as arguments', DEEP_OBJECT, ''],
    ['arrays 10,000 deep in one argument', `{"path":"/version","data":{"x":${DEEP_ARRAY}}}`, ''],
    ['objects 10,000 deep in one argument', `{"path":"/version","data":${DEEP_OBJECT}}`, ''],
    ['arrays 10,000 deep in _meta', ARGUMENTS, `,"_meta":${`{"a":${DEEP_ARRAY}}`}`],
    ['a number that is none', '{"path":"/version","limit":1e400}', ''],
    ['a number of 100,000 digits', `{"path":"/version","limit":${'9'.repeat(100_000)}}`, ''],
    ['a text of 3 MB', `{"path":"/${'a'.repeat(3_000_000)}"}`, ''],
    ['100,000 unknown arguments', `{${Array.from({ length: 100_000 }, (_, n) => `"k${n}":1`).join()}}`, ''],
    ['lone surrogates', '{"path":"/nodes/\\ud800/x\\udfff"}', ''],
  ])('%s are answered or refused', async (_what, args, meta) => {
    cluster.calls.length = 0;
    const answer = await send(args, meta);
    expect(answer.status).toBeLessThan(500);
    expect(answer.text).not.toContain('INTERNAL');
    expect(cluster.calls.filter(({ path }) => String(path) !== '/version')).toEqual([]);
    await stillAnswers();
  });

  it.each([
    '{"__proto__":{"polluted":1},"path":"/version"}',
    '{"path":"/version","data":{"__proto__":{"polluted":1}}}',
    '{"path":"/version","data":{"constructor":{"prototype":{"polluted":1}}}}',
    '{"path":"/version","data":{"\\u005f_proto__":{"polluted":1}}}',
  ])('%s says what is wrong, and pollutes nothing', async (args) => {
    cluster.calls.length = 0;
    const { status, text } = await send(args);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32600, message: expect.stringContaining('__proto__') },
    });
    expect(cluster.calls).toEqual([]);
    await stillAnswers();
  });
});

describe('a body', () => {
  it('of a batch with members 10,000 deep is answered', async () => {
    const answer = await post('/mcp', `[${call(DEEP_ARRAY)},${DEEP_ARRAY},${DEEP_OBJECT}]`, {
      'mcp-session-id': session,
    });
    expect(answer.status).toBeLessThan(500);
    await stillAnswers();
  });

  it.each([DEEP_ARRAY, DEEP_OBJECT, `{"jsonrpc":"2.0","id":${DEEP_ARRAY},"method":"tools/list"}`])(
    'that is nothing but depth is refused',
    async (body) => {
      expect((await post('/mcp', body, { 'mcp-session-id': session })).status).toBe(400);
      await stillAnswers();
    },
  );

  it('with the same key twice means the later one, for the check and for the call alike', async () => {
    cluster.calls.length = 0;
    await WAYS[0]?.[1]('{"path":"/nodes","path":"/version"}');
    expect(cluster.calls.map(({ path }) => String(path))).toEqual(['/version']);
  });

  it('that is no UTF-8 reaches no cluster as what it is not', async () => {
    const [before = '', after = ''] = call('{"path":"/nodes/XX/status"}').split('XX');
    const body = Buffer.concat([
      Buffer.from(before),
      Buffer.from([0xff, 0xfe, 0xc0, 0xaf]),
      Buffer.from(after),
    ]);
    cluster.calls.length = 0;
    const { status, text } = await post('/mcp', body, { 'mcp-session-id': session });
    expect(status).toBeLessThan(500);
    expect(text).not.toContain('INTERNAL');
    expect(cluster.calls).toEqual([]);
  });

  it.each([
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    '',
  ])('of the type %j is refused', async (type) => {
    cluster.calls.length = 0;
    const { status } = await post('/mcp', call(ARGUMENTS), {
      'mcp-session-id': session,
      'content-type': type,
    });
    expect(status).toBe(415);
    expect(cluster.calls).toEqual([]);
  });

  it.each(['', '{', '[', 'null', '1', '"x"', '{}', '[]', '\u0000', '{"jsonrpc":"1.0"}', '\ufeff{}'])(
    '%j is refused',
    async (body) => {
      expect((await post('/mcp', body, { 'mcp-session-id': session })).status).toBe(400);
    },
  );

  it('above the limit is refused before it is read', async () => {
    expect(
      (await post('/mcp', `"${'x'.repeat(5 * 1024 * 1024)}"`, { 'mcp-session-id': session })).status,
    ).toBe(413);
  });
});
