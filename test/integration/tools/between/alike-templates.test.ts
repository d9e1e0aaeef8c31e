import { describe, expect, it } from 'vitest';
import { downloadDigest, downloadSize } from '../../../../src/simulator/methods/storage/files.ts';
import { type Answer, type ToolClientOptions, toolClient } from '../../../support/tool-client.ts';

const FROM = 'production';
const TO = 'disaster-recovery';
const URL = 'https://cloud.example.org/images/noble.img';
const FILE = 'noble.qcow2';
const ALPINE = 'alpine-3.22-default_20250617_amd64.tar.xz';
const BYTES = 1024 ** 3;

async function client(options: ToolClientOptions = {}) {
  const tools = await toolClient({ clusters: [FROM, TO], ...options });
  const site = (name: string) => {
    const { state, requests, faults } = tools.simulator.cluster(name);
    return {
      state,
      requests,
      faults,
      writes: () =>
        requests
          .filter(({ method }) => method !== 'GET')
          .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`),
      has: (volid: string) => state.volumes.find((one) => one.volid === volid),
      put: (volid: string, size = BYTES, node?: string) => {
        const [storage = '', file = ''] = volid.split(':');
        const [content = ''] = file.split('/');
        const format = file.split('.').at(-1) ?? '';
        state.volumes.push({
          volid,
          storage,
          ...(node ? { node } : {}),
          content,
          format,
          size,
          ctime: 1_700_000_000,
        });
      },
      forget: () => {
        requests.length = 0;
      },
    };
  };
  const call = async (args: object): Promise<Answer> => tools.call('sync_templates', { ...args });
  const applied = async (args: object): Promise<Answer> => {
    const { code, plan } = await tools.refused('sync_templates', { apply: true, ...args });
    expect(code).toBe('APPROVAL_REQUIRED');
    return tools.call('sync_templates', { apply: true, ...args, handle: plan.handle });
  };
  return { ...tools, sync: call, applied, source: site(FROM), target: site(TO), site };
}

const fileOf = (answer: Answer, file: string) => answer.files.find((row: Answer) => row.file === file);

describe('sync_templates', () => {
  it('shows what is where, what is missing, and which copies differ, and sends nothing', async () => {
    const { sync, source, target, text } = await client();
    source.put('local:iso/tools.iso', BYTES, 'pve2');
    source.put('local:iso/drivers.iso', BYTES, 'pve1');
    target.put('local:iso/drivers.iso', 2 * BYTES, 'dr1');
    target.put(`local:vztmpl/${ALPINE}`, BYTES, 'dr1');
    const answer = await sync({});
    expect(answer.clusters.sort()).toEqual([TO, FROM].sort());
    expect(fileOf(answer, 'tools.iso')).toEqual({
      file: 'tools.iso',
      content: 'iso',
      status: 'only_some',
      size_bytes: BYTES,
      where: { [FROM]: ['local on pve2'] },
      missing: [TO],
    });
    expect(fileOf(answer, 'drivers.iso')).toMatchObject({
      status: 'conflict',
      where: { [FROM]: [`local on pve1, ${BYTES} bytes`], [TO]: [`local on dr1, ${2 * BYTES} bytes`] },
    });
    expect(answer.findings).toEqual(
      expect.arrayContaining([
        expect.stringContaining('drivers.iso is not the same everywhere'),
        expect.stringContaining(`${TO} lacks tools.iso`),
      ]),
    );
    expect(answer.note).toContain('no checksum');
    expect(answer.alike).toBeGreaterThan(0);
    expect([...source.writes(), ...target.writes()]).toEqual([]);
    expect(await text('sync_templates', { name: 'tools*' })).toContain(
      '1 file, 0 everywhere, 1 on some alone',
    );
  });

  it('fetches a file by its URL, compared with its checksum, to each cluster that lacks it', async () => {
    const { applied, refused, sync, source, target } = await client({
      config: ({ name }) => (name === FROM ? { defaultNode: 'pve1' } : {}),
    });
    const checksum = downloadDigest(URL, 'sha512');
    source.put(`local:import/${FILE}`, downloadSize(URL), 'pve1');
    const args = { url: URL, content: 'import', checksum };
    const preview = await sync(args);
    expect(preview.fetches).toEqual([
      { cluster: TO, file: FILE, by: 'url', volid: `local:import/${FILE}`, node: 'dr1', result: 'planned' },
    ]);
    expect(target.requests.filter(({ path }) => path.includes('query-url'))).toEqual([]);
    const { plan } = await refused('sync_templates', { ...args, apply: true });
    expect(plan.warnings[0]).toContain(`Proxmox keeps it only if its sha512 is ${checksum}`);
    const answer = await applied(args);
    expect(answer.fetches).toEqual([
      expect.objectContaining({ cluster: TO, result: 'fetched', checksum: 'compared' }),
    ]);
    expect(fileOf(answer, FILE)).toMatchObject({ status: 'alike', size_bytes: downloadSize(URL) });
    expect(target.has(`local:import/${FILE}`)).toMatchObject({ size: downloadSize(URL) });
    expect(target.requests.find(({ method }) => method === 'POST')?.params).toMatchObject({
      checksum,
      'checksum-algorithm': 'sha512',
      filename: FILE,
      content: 'import',
    });
    expect(source.writes()).toEqual([]);
    target.forget();
    const again = await sync({ ...args, apply: true });
    expect(again).not.toHaveProperty('fetches');
    expect(target.writes()).toEqual([]);
  });

  it('fetches container templates that Proxmox offers without a URL, and says what it can not', async () => {
    const { applied, source, target } = await client();
    source.put(`local:vztmpl/${ALPINE}`, BYTES, 'pve1');
    source.put('local:vztmpl/own-image_1_amd64.tar.zst', BYTES, 'pve1');
    const answer = await applied({ content: 'vztmpl', to: [TO] });
    expect(answer.fetches).toEqual([
      expect.objectContaining({ file: ALPINE, by: 'appliance', result: 'fetched' }),
    ]);
    expect(answer.findings).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`${TO} lacks own-image_1_amd64.tar.zst: a \`url\` brings one`),
      ]),
    );
    // Fetched anew it is another one than the copy that somebody made up here.
    expect(fileOf(answer, ALPINE).status).toBe('conflict');
    expect(target.has(`local:vztmpl/${ALPINE}`)).toBeDefined();
    expect(target.writes()).toEqual(['POST /nodes/dr1/aplinfo']);
  });

  it('goes where `places` says, and says where it has to be said', async () => {
    const { sync, refused, applied, source, target } = await client();
    target.put('local:iso/tools.iso', BYTES, 'dr1');
    const url = 'https://example.org/tools.iso';
    const asked = await sync({ url, to: [FROM] });
    expect(asked.fetches[0]).toMatchObject({ cluster: FROM, result: 'blocked' });
    expect(asked.fetches[0].message).toContain(
      'Say in `places` where it goes: {"production": "node/storage"}',
    );
    const nowhere = await sync({ url, to: [FROM], places: { [FROM]: 'pve2/nas' }, apply: true });
    expect(nowhere.fetches[0].message).toContain('no iso');
    const stranger = await refused('sync_templates', { url, places: { staging: 'local' } });
    expect(stranger.message).toContain('names staging');
    expect(source.writes()).toEqual([]);
    Object.assign(target.has('local:iso/tools.iso') ?? {}, { size: downloadSize(url) });
    const done = await applied({ url, to: [FROM], places: { [FROM]: 'pve2/local' } });
    expect(done.fetches[0]).toMatchObject({ result: 'fetched', node: 'pve2' });
    expect(source.has('local:iso/tools.iso')?.node).toBe('pve2');
  });

  it('asks for each cluster by itself, and one that is away costs its own part', async () => {
    const tools = await client({ clusters: [FROM, TO, 'staging'] });
    const { refused, call } = tools;
    const staging = tools.site('staging');
    const args = {
      url: 'https://example.org/tools.iso',
      to: ['staging', TO],
      places: { staging: 'stg2/local' },
      apply: true,
    };
    const first = await refused('sync_templates', args);
    expect(first.cluster).toBe('staging');
    const second = await call('sync_templates', { ...args, handle: first.plan.handle });
    expect(second.fetches).toEqual([
      expect.objectContaining({ cluster: 'staging', result: 'fetched' }),
      expect.objectContaining({ cluster: TO, result: 'failed', code: 'APPROVAL_REQUIRED' }),
    ]);
    expect(tools.target.writes()).toEqual([]);
    const [, handle] = /handle (\S+)/.exec(second.fetches[1].hint) ?? [];
    await staging.faults.add({ kind: 'node-down' }).ready;
    const third = await call('sync_templates', { ...args, handle });
    expect(third.fetches).toEqual([expect.objectContaining({ cluster: TO, result: 'fetched' })]);
    expect(third.failed).toEqual([
      expect.objectContaining({ cluster: 'staging', code: 'CLUSTER_UNREACHABLE' }),
    ]);
    expect(tools.target.has('local:iso/tools.iso')).toBeDefined();
  });

  it('a download that fails costs itself alone, and the same call goes on', async () => {
    const { applied, refused, call, target, source } = await client();
    const offered = [ALPINE, 'ubuntu-24.04-standard_24.04-2_amd64.tar.zst'];
    for (const file of offered) source.put(`local:vztmpl/${file}`, BYTES, 'pve1');
    const fault = target.faults.add({
      kind: 'task-error',
      message: 'connection reset',
      match: /^POST .*aplinfo/,
      times: 1,
    });
    const answer = await applied({ content: 'vztmpl', to: [TO] });
    expect(answer.fetches.map(({ result }: Answer) => result)).toEqual(['failed', 'fetched']);
    expect(answer.fetches[0]).toMatchObject({ code: 'TASK_FAILED' });
    await fault.remove();
    const { plan } = await refused('sync_templates', { content: 'vztmpl', to: [TO], apply: true });
    expect(plan.calls).toHaveLength(1);
    const rest = await call('sync_templates', {
      content: 'vztmpl',
      to: [TO],
      apply: true,
      handle: plan.handle,
    });
    expect(rest.fetches.map(({ file, result }: Answer) => [file, result])).toEqual([[offered[0], 'fetched']]);
  });

  it('waits for a download that runs, and starts none beside it', async () => {
    const tools = await client({ simulator: { taskSeconds: 2 } });
    const { refused, call, target, sync } = tools;
    const args = { url: 'https://example.org/tools.iso', to: [TO], apply: true, wait_seconds: 0 };
    const { plan } = await refused('sync_templates', args);
    const started = await call('sync_templates', { ...args, handle: plan.handle });
    expect(started.fetches[0]).toMatchObject({
      result: 'running',
      upid: expect.stringContaining(':download:tools.iso:'),
    });
    const runs = await sync({ url: args.url, to: [TO] });
    expect(runs.fetches[0]).toMatchObject({ result: 'running' });
    const ended = await call('sync_templates', { ...args, wait_seconds: 30 });
    expect(ended.fetches[0]).toMatchObject({ result: 'fetched' });
    expect(ended.fetches[0]).not.toHaveProperty('checksum');
    expect(target.writes()).toHaveLength(1);
  });

  describe('refuses', () => {
    it('another file of the same name, unless a checksum says which one is right', async () => {
      const { applied, source, target } = await client();
      const url = 'https://example.org/tools.iso';
      source.put('local:iso/tools.iso', BYTES + 1, 'pve1');
      const answer = await applied({ url, to: [TO] });
      expect(answer.fetches[0]).toMatchObject({ result: 'failed', code: 'CONFLICT' });
      expect(answer.fetches[0].message).toContain('Behind the URL is another file');
      expect(target.writes()).toEqual([]);
      const right = await applied({ url, to: [TO], checksum: downloadDigest(url, 'sha256') });
      expect(right.fetches[0]).toMatchObject({ result: 'fetched', checksum: 'compared' });
      expect(right.findings[0]).toContain('tools.iso is not the same everywhere');
    });

    it('what does not fit on the storage', async () => {
      const { applied, target } = await client();
      target.faults.add({ kind: 'storage-full', storage: 'local' });
      const answer = await applied({ url: 'https://example.org/tools.iso', to: [TO] });
      expect(answer.fetches[0]).toMatchObject({ result: 'failed', code: 'CONFLICT' });
      expect(target.writes()).toEqual([]);
    });

    it('a wrong checksum: Proxmox keeps nothing', async () => {
      const { applied, target } = await client();
      const url = 'https://example.org/tools.iso';
      const answer = await applied({ url, to: [TO], checksum: 'a'.repeat(64) });
      expect(answer.fetches[0]).toMatchObject({ result: 'failed', code: 'TASK_FAILED' });
      expect(answer.fetches[0].message).toContain('checksum');
      expect(answer.fetches[0]).not.toHaveProperty('checksum');
      expect(target.has('local:iso/tools.iso')).toBeUndefined();
    });

    it('to take a cluster that could not be read whole for one that lacks a file', async () => {
      const { sync, source, target } = await client();
      source.put('local:iso/tools.iso', BYTES, 'pve1');
      target.faults.add({
        kind: 'status',
        code: 500,
        message: 'storage is offline',
        match: /storage\/local\/content/,
      });
      const answer = await sync({ name: 'tools*', url: undefined, apply: true });
      expect(fileOf(answer, 'tools.iso')).toMatchObject({ unknown: [TO] });
      expect(fileOf(answer, 'tools.iso')).not.toHaveProperty('missing');
      expect(answer.unread[0].problem).toContain('storage is offline');
      expect(answer).not.toHaveProperty('fetches');
      expect(target.writes()).toEqual([]);
    });

    it('arguments that do not fit, before anything is asked', async () => {
      const { refused, source, target } = await client();
      const cases: [object, string][] = [
        [{ checksum: 'a'.repeat(64) }, 'none is given'],
        [{ filename: 'x.iso' }, 'none is given'],
        [{ url: 'ftp://example.org/x.iso' }, 'none of http or https'],
        [{ url: 'https://user:word@example.org/x.iso' }, 'holds a login'],
        [{ url: 'https://example.org/' }, 'pass `filename`'],
        [{ url: 'https://example.org/x.txt' }, 'must end in'],
        [{ url: 'https://example.org/x.iso', checksum: 'abc' }, 'is no checksum'],
        [{ clusters: [TO] }, 'nothing to compare it with'],
        [{ clusters: [TO, TO] }, 'named twice'],
        [{ to: ['nowhere'] }, 'nowhere'],
      ];
      for (const [args, message] of cases) {
        const error = await refused('sync_templates', { ...args, apply: true });
        expect(error.message, JSON.stringify(args)).toContain(message);
      }
      expect([...source.requests, ...target.requests]).toEqual([]);
    });
  });
});
