import { describe, expect, it } from 'vitest';
import { guestFacts } from '../../../src/access/guest-facts.ts';
import { judge, refusal } from '../../../src/access/judge.ts';
import { toParameters } from '../../../src/access/parameters.ts';
import { defaultPolicy } from '../../../src/access/policy/policy.ts';
import { LOCAL_PRINCIPAL } from '../../../src/access/principal.ts';
import { riskOfRequest, verified } from '../../../src/access/verification.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { GuestRow } from '../../../src/clusters/inventory.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import type { CallError } from '../../../src/proxmox/errors.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const BUILT_IN = loadBuiltInCatalogue();
const LIVE = new Catalogue({ source: 'cluster', label: 'PVE 9.2', methods: BUILT_IN.methods });

function asked(line: string, data?: Record<string, unknown>) {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), data };
}

function thrownBy(work: () => unknown): CallError {
  try {
    work();
  } catch (error) {
    return error as CallError;
  }
  throw new Error('nothing was thrown');
}

describe('the risk of a request', () => {
  it('is that of the method which the path belongs to, with its parameters', () => {
    const path = '/nodes/pve1/qemu/100/config';
    expect(riskOfRequest(BUILT_IN, asked(`PUT ${path}`)).risks).toEqual(['change']);
    expect(riskOfRequest(BUILT_IN, asked(`PUT ${path}`, { delete: 'scsi0' })).risks).toContain('destroy');
    expect(riskOfRequest(BUILT_IN, asked('POST /made/up')).risks).toEqual(['destroy']);
  });
});

describe('what is verified', () => {
  it('is encoded as Proxmox wants it', () => {
    expect(verified(LIVE, asked('PUT /nodes/a/qemu/100/config', { onboot: true, cores: 2 }))).toEqual({
      onboot: '1',
      cores: '2',
    });
    expect(verified(LIVE, asked('GET /version'))).toEqual({});
  });

  it('is refused with all that is wrong at once', () => {
    const request = asked('PUT /nodes/a/qemu/100/config', { cores: 'many', nmae: 'x' });
    const error = thrownBy(() => verified(LIVE, request));
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      hint: 'Correct all of them at once; describe_api tells what the method takes.',
    });
    expect(error.message).toMatch(/^These parameters do not fit: cores .+; nmae .+\. Nothing was sent\.$/);
    expect(error.message).toMatch(/nmae is not a parameter.*\(.*name.*\)/);
  });

  it('is refused where the host has no such path', () => {
    expect(thrownBy(() => verified(LIVE, asked('GET /made/up')))).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^GET \/made\/up .+; nothing was sent\.$/),
      hint: expect.stringMatching(/\S/),
    });
  });

  it('is left to Proxmox where the built-in catalogue may be too old to know', () => {
    expect(verified(BUILT_IN, asked('POST /made/up', { a: 1, b: null }))).toEqual({ a: 1 });
    const config = 'PUT /nodes/a/qemu/100/config';
    expect(verified(BUILT_IN, asked(config, { 'new-thing': 'x' }))).toEqual({ 'new-thing': 'x' });
    const error = thrownBy(() => verified(BUILT_IN, asked(config, { 'new-thing': 'x', cores: 'many' })));
    expect(error.message).toContain('cores ');
    expect(error.message).not.toContain('new-thing');
  });
});

describe('parameters', () => {
  it('are scalars and lists of them; what is null or undefined is left out', () => {
    const data = Object.freeze({ a: 'x', b: 0, c: false, d: ['x', 1, true], e: null, f: undefined, g: [] });
    expect(toParameters(data)).toEqual({ a: 'x', b: 0, c: false, d: ['x', 1, true], g: [] });
    expect(toParameters()).toEqual({});
  });

  it('are refused by name where they are none', () => {
    const data = { a: { b: 1 }, b: Number.NaN, c: [{}], d: 1, e: ['x', null], f: Number.POSITIVE_INFINITY };
    expect(thrownBy(() => toParameters(data))).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: 'Proxmox takes text, numbers and booleans; not so: a, b, c, e, f.',
      hint: 'Write nested settings as a property string, for example net0: "virtio,bridge=vmbr0".',
    });
  });
});

describe('the question to the policy', () => {
  it('says who asks, through what, of which cluster, and where it is read-only', () => {
    const policy = defaultPolicy();
    const seen: unknown[] = [];
    const watched = {
      ...policy,
      decide: (question: Parameters<typeof policy.decide>[0]) => {
        seen.push(question);
        return policy.decide(question);
      },
    } as typeof policy;
    const call = { method: 'GET', path: '/version', risks: ['read'], reasons: [] } as const;
    const cluster = new RecordingCluster('a', { readOnly: true });
    const who = { principal: LOCAL_PRINCIPAL, tool: 't' };
    judge(watched, who, cluster, false, call);
    judge(watched, { ...who, readOnly: true }, new RecordingCluster('b'), true, {
      ...call,
      guests: { named: [] },
      parameters: { a: 1 },
    });
    expect(seen).toEqual([
      {
        ...call,
        ...who,
        cluster: 'a',
        clusterReadOnly: true,
        serverReadOnly: false,
        requestReadOnly: false,
      },
      {
        ...call,
        ...who,
        cluster: 'b',
        clusterReadOnly: false,
        serverReadOnly: true,
        requestReadOnly: true,
        guests: { named: [] },
        parameters: { a: 1 },
      },
    ]);
  });

  it('answered with no is told, or hidden', () => {
    const decision = {
      allowed: false,
      rule: 'r',
      hint: 'h',
      approval: 'none',
      atClient: false,
      trace: [],
    } as const;
    expect(refusal({ ...decision, reason: 'No. Not so.' }, 'a')).toMatchObject({
      code: 'POLICY_DENIED',
      message: 'No. Not so; nothing was sent.',
      hint: 'h',
      cluster: 'a',
    });
    expect(refusal({ ...decision, reason: 'There is none', missing: true }, 'a')).toMatchObject({
      code: 'NOT_FOUND',
      message: 'There is none.',
      hint: 'h',
      cluster: 'a',
    });
  });
});

describe('what rules look at in guests', () => {
  const ROW = { vmid: 100, node: 'n', type: 'qemu', tags: ['web'] } as unknown as GuestRow;
  const { signal } = new AbortController();

  /** Asks with these guests in the inventory; `fresh` is how the cluster was asked. */
  async function facts(line: string, rows: GuestRow[] | Error, isNeeded = true, data = {}) {
    const cluster = new RecordingCluster('a');
    const fresh: unknown[] = [];
    cluster.inventoryReply = (options) => {
      fresh.push(options.fresh);
      if (rows instanceof Error) throw rows;
      return { guests: rows };
    };
    const [method, path = ''] = line.split(' ') as [HttpMethod, string];
    return { ...(await guestFacts(cluster, { method, path, data }, isNeeded, signal)), fresh };
  }

  it('is asked for where a rule needs it, now for a write', async () => {
    const row = { ...ROW, name: 'web-1', pool: 'p' };
    const named = [{ vmid: 100, tags: ['web'], name: 'web-1', pool: 'p' }];
    expect(await facts('GET /nodes/n/qemu/100/config', [row])).toEqual({ named, fresh: [false] });
    expect(await facts('DELETE /nodes/n/qemu/100', [row])).toEqual({ named, fresh: [true] });
  });

  it('is not asked for where no rule needs it, or no guest is meant', async () => {
    const bare = { named: [{ vmid: 100, tags: [] }], fresh: [] };
    expect(await facts('DELETE /nodes/n/qemu/100', [ROW], false)).toEqual(bare);
    expect(await facts('GET /nodes', [ROW])).toEqual({ named: [], fresh: [] });
    expect(await facts('POST /nodes/n/qemu', [ROW], true, { vmid: 300 })).toMatchObject({ fresh: [] });
  });

  it('takes the worst for granted of what has no name yet, or could not be asked for', async () => {
    expect((await facts('DELETE /nodes/n/qemu/100', [ROW])).named).toEqual([
      { vmid: 100, tags: ['web'], unknown: true },
    ]);
    expect((await facts('DELETE /nodes/n/qemu/100', new Error('down'))).named).toEqual([
      { vmid: 100, tags: [], unknown: true },
    ]);
    expect((await facts('DELETE /nodes/n/qemu/200', [ROW])).named).toEqual([{ vmid: 200, tags: [] }]);
  });

  it('ends with the call', async () => {
    const cluster = new RecordingCluster('a');
    cluster.inventoryReply = () => {
      throw new Error('down');
    };
    const call = { method: 'GET', path: '/nodes/n/qemu/100' } as const;
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(guestFacts(cluster, call, true, gone)).rejects.toThrow('gone');
  });
});
