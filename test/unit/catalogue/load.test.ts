import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  APIDOC_PATH,
  CatalogueLoader,
  type CatalogueLoaderOptions,
  type FetchedText,
} from '../../../src/catalogue/load.ts';
import { SharedCatalogues } from '../../../src/catalogue/shared.ts';
import { catalogueOf, node, taking } from './schemas.ts';

const DAY = 24 * 60 * 60_000;
const FALLBACK = catalogueOf(node('/fallback', { GET: taking({}) }));

function apidoc(path: string): string {
  return `const apiSchema = ${JSON.stringify([node(path, { GET: taking({}) })])}\n;\nvar more = 1;`;
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'catalogue-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A loader whose host answers what the test says, and the requests it was sent. */
function start(options: Partial<CatalogueLoaderOptions> = {}) {
  const state = {
    now: Date.UTC(2026, 0, 1),
    answer: { status: 200, text: apidoc('/one'), lastModified: 'Mon' } as FetchedText | Error,
  };
  const requests: { path: string; ifModifiedSince?: string | undefined }[] = [];
  const problems: string[] = [];
  const loader = new CatalogueLoader({
    directory,
    now: () => state.now,
    builtIn: () => FALLBACK,
    onProblem: (message) => problems.push(message),
    fetchText: async (path, { ifModifiedSince }) => {
      requests.push({ path, ifModifiedSince });
      if (state.answer instanceof Error) throw state.answer;
      return state.answer;
    },
    ...options,
  });
  return { loader, state, requests, problems };
}

const paths = (loader: CatalogueLoader) => loader.current().methods.map(({ path }) => path);

/** Lets what runs in the background come to its end. */
async function settled(check: () => void | Promise<void>): Promise<void> {
  for (let turn = 0; ; turn++) {
    try {
      return await check();
    } catch (error) {
      if (turn > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

describe('CatalogueLoader', () => {
  it('serves the built-in catalogue until it has the schema of the host', async () => {
    const { loader, requests } = start();
    expect(loader.current()).toBe(FALLBACK);
    const catalogue = await loader.load('9.2.11');
    expect(catalogue).toMatchObject({ source: 'cluster', version: '9.2.11' });
    expect(paths(loader)).toEqual(['/one']);
    expect(requests).toEqual([{ path: APIDOC_PATH, ifModifiedSince: undefined }]);
  });

  it('asks once for many callers, and not again while the schema is fresh', async () => {
    const { loader, state, requests } = start();
    await Promise.all(Array.from({ length: 20 }, () => loader.load('9.2.11')));
    state.now += DAY - 1;
    await loader.load('9.2.11');
    expect(requests).toHaveLength(1);
  });

  it('asks in the background whether a schema of a day ago changed', async () => {
    const { loader, state, requests } = start();
    const first = await loader.load('9.2.11');
    state.now += DAY;
    state.answer = { status: 304, text: '' };
    expect(await loader.load('9.2.11')).toBe(first);
    await settled(() => expect(requests[1]).toMatchObject({ ifModifiedSince: 'Mon' }));
    expect(await loader.load('9.2.11')).toBe(first);
    expect(requests).toHaveLength(2);

    state.now += DAY;
    state.answer = { status: 200, text: apidoc('/two') };
    await settled(async () => {
      await loader.load('9.2.11');
      expect(paths(loader)).toEqual(['/two']);
    });
  });

  it('serves the old schema while that of a new version is fetched', async () => {
    const { loader, state } = start();
    await loader.load('9.2.11');
    state.answer = { status: 200, text: apidoc('/newer') };
    expect((await loader.load('9.3.1')).version).toBe('9.2.11');
    await settled(() => expect(loader.current().version).toBe('9.3.1'));
  });

  it('keeps the old schema when that of a new version can not be had', async () => {
    const { loader, state, problems } = start();
    await loader.load('9.2.11');
    state.answer = new Error('refused');
    await loader.load('9.3.1');
    await settled(() => expect(problems).toEqual(['no API schema of version 9.3.1 from the host']));
    expect(loader.current().version).toBe('9.2.11');
  });

  it.each([
    ['an error', new Error('refused')],
    ['a 404', { status: 404, text: 'no' }],
    ['a 304 for what it never had', { status: 304, text: '' }],
    ['a page of something else', { status: 200, text: '<html>' }],
    ['a schema cut off', { status: 200, text: apidoc('/one').slice(0, 60) }],
    ['a schema without methods', { status: 200, text: 'const apiSchema = [{}];' }],
  ])('falls back to the built-in catalogue on %s, and asks again only after a while', async (_, answer) => {
    const { loader, state, requests, problems } = start();
    state.answer = answer;
    expect(await loader.load('9.2.11')).toBe(FALLBACK);
    expect(await loader.load('9.2.11')).toBe(FALLBACK);
    expect(requests).toHaveLength(1);
    expect(problems).toHaveLength(1);

    state.now += 5 * 60_000;
    state.answer = { status: 200, text: apidoc('/one') };
    expect((await loader.load('9.2.11')).source).toBe('cluster');
  });

  it('gives up on a host that never answers', async () => {
    const { loader } = start({ fetchText: () => new Promise(() => {}), timeoutMs: 20 });
    expect(await loader.load('9.2.11')).toBe(FALLBACK);
  });

  it('lets one caller stop waiting without ending the work of the others', async () => {
    const gate = Promise.withResolvers<FetchedText>();
    const { loader } = start({ fetchText: () => gate.promise });
    const controller = new AbortController();
    const impatient = loader.load('9.2.11', controller.signal);
    const patient = loader.load('9.2.11');
    controller.abort(new Error('enough'));
    await expect(impatient).rejects.toThrow('enough');
    gate.resolve({ status: 200, text: apidoc('/one') });
    expect((await patient).source).toBe('cluster');
  });

  it('ends its work when closed', async () => {
    let aborted = false;
    const { loader, problems } = start({
      fetchText: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true;
            reject(signal.reason);
          });
        }),
    });
    const waiting = loader.load('9.2.11');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await loader.close();
    expect(await waiting).toBe(FALLBACK);
    expect(aborted).toBe(true);
    expect(problems).toEqual([]);
    expect(await loader.load('9.2.11')).toBe(FALLBACK);
  });
});

describe('the schemas on disk', () => {
  const file = () => join(directory, 'pve-9.2.11.json');

  async function fill(): Promise<void> {
    const { loader } = start();
    await loader.load('9.2.11');
    await loader.close();
  }

  it('serve after a restart without a question', async () => {
    await fill();
    const { loader, requests } = start();
    expect(await loader.load('9.2.11')).toMatchObject({ source: 'cluster', version: '9.2.11' });
    expect(requests).toEqual([]);
    expect(await readdir(directory)).toEqual(['pve-9.2.11.json']);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  it('are the same in memory as what the host of another cluster sent', async () => {
    await fill();
    const shared = new SharedCatalogues();
    const kept = start({ shared });
    const fetched = start({ shared, directory: join(directory, 'other') });
    expect(await fetched.loader.load('9.2.11')).toBe(await kept.loader.load('9.2.11'));
    expect(kept.requests).toEqual([]);
    expect(fetched.requests).toHaveLength(1);
  });

  it('keep what the host says in its headers, quotes and all', async () => {
    const trick = '","schema":[],"version":"';
    const first = start();
    first.state.answer = { status: 200, text: apidoc('/one'), lastModified: trick };
    await first.loader.load('9.2.11');
    await first.loader.close();
    const { loader, state, requests } = start();
    state.now += DAY;
    await loader.load('9.2.11');
    expect(paths(loader)).toEqual(['/one']);
    await settled(() => expect(requests).toEqual([{ path: APIDOC_PATH, ifModifiedSince: trick }]));
    await loader.close();
  });

  it('serve at once even when due for a check and the host hangs', async () => {
    await fill();
    const { loader, state } = start({ fetchText: () => new Promise(() => {}) });
    state.now += 2 * DAY;
    expect((await loader.load('9.2.11')).source).toBe('cluster');
    await loader.close();
  });

  it('are checked again a day after they were last found unchanged', async () => {
    await fill();
    const second = start();
    second.state.now += DAY;
    second.state.answer = { status: 304, text: '' };
    await second.loader.load('9.2.11');
    await settled(() => expect(second.requests).toEqual([{ path: APIDOC_PATH, ifModifiedSince: 'Mon' }]));
    await second.loader.close();

    const third = start();
    third.state.now += DAY + 1000;
    await third.loader.load('9.2.11');
    expect(third.requests).toEqual([]);
  });

  it.each([
    ['not JSON', '{"version":'],
    ['of another version', '{"version":"1","schema":[]}'],
    ['without methods', '{"version":"9.2.11","schema":[]}'],
    ['of another shape', '[]'],
    ['cut off within the schema', '{"version":"9.2.11","schema":[{"path":"/cut'],
    ['not a list', '{"version":"9.2.11","schema":{}}'],
    ['not a list and something more', '{"version":"9.2.11","schema":[],"more":{}}'],
  ])('count for nothing when %s', async (_, content) => {
    await writeFile(file(), content);
    const { loader, requests } = start();
    expect((await loader.load('9.2.11')).source).toBe('cluster');
    expect(requests).toHaveLength(1);
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({ version: '9.2.11' });
  });

  it('are done without where they can not be written', async () => {
    await mkdir(file());
    const { loader, problems } = start();
    expect((await loader.load('9.2.11')).source).toBe('cluster');
    await settled(() => expect(problems).toEqual(['the API schema could not be kept on disk']));
    expect(await readdir(directory)).toEqual(['pve-9.2.11.json']);
  });

  it('are never written outside of their directory', async () => {
    const { loader } = start();
    for (const version of ['../../evil', 'a/b', '', '.', '..', 'a\0b', 'x'.repeat(100)]) {
      expect((await loader.load(version)).methods.length).toBeGreaterThan(0);
    }
    await loader.close();
    expect(await readdir(directory)).toEqual([]);
  });
});
