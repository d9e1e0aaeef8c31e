import { describe, expect, it } from 'vitest';
import { LOCAL_PRINCIPAL } from '../../src/access/principal.ts';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { pathParameterNames } from '../../src/catalogue/types.ts';
import { apiPath, parseApiPath } from '../../src/proxmox/api-path.ts';
import { CallError } from '../../src/proxmox/errors.ts';
import { gateFor } from '../support/gate.ts';
import { RecordingCluster } from '../support/recording-cluster.ts';

/** What an attacker would put into a path parameter: ways out of it, and ways to end the path early. */
const PAYLOADS = [
  '..',
  '.',
  '../..',
  '../../access/users',
  '..%2f..%2faccess',
  '%2e%2e',
  '%2E%2E%2Faccess',
  '%252e%252e',
  '%252e%252e%252faccess',
  '..\\..\\access',
  '..;/access',
  'x/../../access',
  'x/./y/..',
  '/access/users',
  '//evil.example/x',
  'x?delete=1',
  'x#fragment',
  'x%3fdelete=1',
  'x%23fragment',
  'x\r\nHost: evil.example',
  'x%0d%0aHost:%20evil.example',
  'x\u0000',
  'x%00',
  '@evil.example',
  '\u2025/\u2025/access',
  '\uff0e\uff0e/access',
];

const catalogue = loadBuiltInCatalogue();
const places = [...new Set(catalogue.methods.map((method) => method.path))].flatMap((template) =>
  pathParameterNames(template).map((parameter) => ({ template, parameter })),
);

/** Puts a payload into one parameter of a template and plain values into the others. */
function withPayload(template: string, parameter: string, payload: string): string {
  return template.replace(/\{([^}]+)\}/g, (_all, name) => (name === parameter ? payload : plain(name)));
}

function plain(name: string): string {
  return { node: 'pve1', vmid: '100', storage: 'local' }[name] ?? 'a1';
}

function opened() {
  const cluster = new RecordingCluster('a', { validate: false });
  const origin = {
    principal: LOCAL_PRINCIPAL,
    requestId: 'r',
    tool: 't',
    door: 'stdio',
    signal: new AbortController().signal,
  };
  const gated = gateFor().open({ cluster, selectedBy: 'explicit' }, origin);
  return { cluster, gated };
}

/** The segments that a server would see: WHATWG parsing, then PVE's own decoding and splitting. */
function arrived(wire: string): string[] {
  const url = new URL(`https://pve.example:8006/api2/json${wire}`);
  expect(url.host).toBe('pve.example:8006');
  expect(url.search + url.hash).toBe('');
  return decodeURIComponent(url.pathname).replace('/api2/json', '').split('/').slice(1);
}

describe(`${PAYLOADS.length} payloads in each of the ${places.length} path parameters of the API`, () => {
  it('leave the path where the gate judged it, or do not leave at all', async () => {
    const { cluster, gated } = opened();
    let refused = 0;
    for (const { template, parameter } of places) {
      for (const payload of PAYLOADS) {
        const raw = withPayload(template, parameter, payload);
        try {
          const path = parseApiPath(raw);
          await gated.request({ method: 'GET', path });
          const sent = cluster.calls.pop();
          expect(arrived(sent?.path.wire ?? ''), raw).toEqual(path.segments);
          expect(
            path.segments.some((segment) => segment === '.' || segment === '..' || segment === ''),
            raw,
          ).toBe(false);
        } catch (error) {
          if (!(error instanceof CallError)) throw error;
          expect(error.code, raw).toBe('INVALID_PATH');
          refused += 1;
        }
      }
    }
    expect(cluster.calls).toEqual([]);
    // `..;`, `@evil.example` and the look-alike dots are plain text for PVE; all else is refused.
    expect(refused).toBeGreaterThan(places.length * (PAYLOADS.length - 8));
  });

  it('stay one segment in the template that tools build paths with', () => {
    for (const payload of PAYLOADS) {
      try {
        const path = apiPath`/nodes/${payload}/status`;
        expect(path.segments).toEqual(['nodes', payload, 'status']);
        expect(arrived(path.wire)).toEqual(['nodes', payload, 'status']);
      } catch (error) {
        expect(error, payload).toMatchObject({ code: 'INVALID_PATH' });
      }
    }
  });

  it('stay one segment in the typed facade', async () => {
    const { cluster, gated } = opened();
    for (const payload of PAYLOADS) {
      await gated.api.nodes
        .$(payload)
        .status.$get()
        .catch((error: unknown) => expect(error, payload).toMatchObject({ code: 'INVALID_PATH' }));
      const sent = cluster.calls.pop();
      if (sent) expect(arrived(sent.path.wire), payload).toEqual(['nodes', payload, 'status']);
    }
  });
});
