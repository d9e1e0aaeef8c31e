import { afterAll, afterEach, beforeEach, type TaskMeta, vi } from 'vitest';
import { watchedCreateLogger, watchedPino } from './canary-logs.ts';
import { watchEndpoint, watchSimulator } from './canary-sources.ts';
import { installTaps } from './canary-taps.ts';
import { canaryWatch } from './canary-watch.ts';

/*
 * Stands before every test file: each secret that a process under test has is watched, all that leaves it is kept, and
 * behind the last test nothing of the first may be in the second. Modules are wrapped only where a test loads them.
 * Files of one process share modules, and so the wrapped ones, but nothing that was watched.
 */

const KEY = Symbol.for('canary-wrapped');
const shared = globalThis as typeof globalThis & { [KEY]?: Map<string, unknown> };
shared[KEY] ??= new Map();
const wrapped = shared[KEY];

/** What `wrap` gave for the first file of this process. */
function once<Wrapped>(name: string, wrap: () => Wrapped): Wrapped {
  if (!wrapped.has(name)) wrapped.set(name, wrap());
  return wrapped.get(name) as Wrapped;
}

vi.mock('pino', (original) =>
  once('pino', async () => {
    const actual = await original<typeof import('pino')>();
    return { ...actual, pino: watchedPino(actual.pino) };
  }),
);

vi.mock('../../src/observability/logging.ts', (original) =>
  once('logging', async () => {
    const actual = await original<typeof import('../../src/observability/logging.ts')>();
    const plain = async () => (await vi.importActual<typeof import('pino')>('pino')).pino;
    return { ...actual, createLogger: await watchedCreateLogger(actual.createLogger, plain) };
  }),
);

vi.mock('../../src/config/secret.ts', (original) =>
  once('secret', async () => {
    const actual = await original<typeof import('../../src/config/secret.ts')>();
    class Secret extends actual.Secret {
      constructor(value: string) {
        super(value);
        canaryWatch.watch('a secret of the configuration', value);
      }

      /** One that a module of an earlier file made is watched where it is used. */
      override reveal(): string {
        const value = super.reveal();
        canaryWatch.watch('a secret of the configuration', value);
        return value;
      }
    }
    return { ...actual, Secret };
  }),
);

vi.mock('../../src/access/tokens.ts', (original) =>
  once('tokens', async () => {
    const actual = await original<typeof import('../../src/access/tokens.ts')>();
    const issueToken = async (...args: Parameters<typeof actual.issueToken>) => {
      const token = await actual.issueToken(...args);
      canaryWatch.watch('a bearer token', token);
      return token;
    };
    return { ...actual, issueToken };
  }),
);

vi.mock('../../src/access/api-keys.ts', (original) =>
  once('api-keys', async () => {
    const actual = await original<typeof import('../../src/access/api-keys.ts')>();
    const { add } = actual.ApiKeys.prototype;
    actual.ApiKeys.prototype.add = async function (...args) {
      const made = await add.apply(this, args);
      canaryWatch.watch('an API key', made.key);
      return made;
    };
    return actual;
  }),
);

vi.mock('../../src/simulator/simulator.ts', (original) =>
  once('simulator', async () => {
    const actual = await original<typeof import('../../src/simulator/simulator.ts')>();
    const startSimulator = async (...args: Parameters<typeof actual.startSimulator>) => {
      const simulator = await actual.startSimulator(...args);
      watchSimulator(simulator);
      return simulator;
    };
    return { ...actual, startSimulator };
  }),
);

vi.mock('../../src/simulator/methods/remote-endpoint.ts', (original) =>
  once('remote-endpoint', async () => {
    const actual = await original<typeof import('../../src/simulator/methods/remote-endpoint.ts')>();
    const connectRemote: typeof actual.connectRemote = (state, text) => {
      watchEndpoint(text);
      return actual.connectRemote(state, text);
    };
    return { ...actual, connectRemote };
  }),
);

once('taps', installTaps);
canaryWatch.begin();

const meta: { ofFile?: TaskMeta } = {};

beforeEach(({ task }) => {
  meta.ofFile = task.file.meta;
  canaryWatch.test = task.fullTestName;
});

afterEach(({ task }) => {
  for (const { message, stack, diff } of task.result?.errors ?? []) {
    canaryWatch.output('a failed test', [message, stack, diff].join('\n'));
  }
  canaryWatch.test = '';
});

afterAll(() => {
  const hits = canaryWatch.search();
  if (meta.ofFile) meta.ofFile.canaries = canaryWatch.counts();
  const lines = hits.map(({ kind, outlet, test, form, around }) => {
    return `${kind} (${form}) in ${outlet}, ${test === '' ? 'outside of a test' : `test "${test}"`}: ${around}`;
  });
  if (lines.length > 0) throw new Error(`${lines.length} secrets came out:\n${lines.join('\n')}`);
});
