import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type ClusterSpec, DEMO_ESTATE } from '../../../src/simulator/estate.ts';
import { largeEstate } from '../../../src/simulator/large-estate.ts';
import { readEstate } from '../../../src/simulator/seed.ts';
import { buildState } from '../../../src/simulator/state/build-state.ts';
import { configDigest } from '../../../src/simulator/state/guest.ts';
import { saveState } from '../../../src/simulator/state/saving.ts';

const options = { clock: () => 1_800_000_000_000, taskSeconds: 0 };
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('an estate', () => {
  test('is read as a list, as an object and from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'seed-'));
    folders.push(folder);
    const file = join(folder, 'estate.json');
    writeFileSync(file, JSON.stringify({ clusters: DEMO_ESTATE }));
    for (const source of [DEMO_ESTATE, { clusters: DEMO_ESTATE }, file]) {
      expect(readEstate(source)).toEqual(DEMO_ESTATE);
    }
  });

  test('is refused with every wrong field, and of which cluster', () => {
    const guest = { vmid: 100, type: 'qemu', node: 'elsewhere', name: 'a', pool: 'none' };
    const wrong = [
      { name: 'one', nodes: [{ name: 'n1' }], guests: [guest, { ...guest, node: 'n1' }] },
      { name: 'two', nodes: [], guests: [{ ...guest, vmid: 7, colour: 'red' }] },
    ];
    expect(() => readEstate(wrong)).toThrow(
      /cluster 'one': guests: two have the vmid 100[\s\S]*cluster 'one': guests\[0\]\.node: guest 100 is on 'elsewhere'[\s\S]*cluster 'two': nodes: [\s\S]*cluster 'two': guests\[0\]\.vmid: [\s\S]*colour/,
    );
    expect(() => readEstate('/nowhere/estate.json')).toThrow(/can't read the estate from .nowhere/);
    expect(() => readEstate([])).toThrow(/not a list of clusters/);
  });
});

describe('a saved cluster', () => {
  test.each([
    ['guests', 5],
    ['volumes', {}],
    ['access', 'all'],
    ['nonsense', {}],
  ])('is refused with %s that is %j', (part, value) => {
    const spec = { name: 'one', nodes: [{ name: 'n1' }], state: { [part]: value } };
    expect(() => buildState(spec, options)).toThrow(`"${part}" is not as a cluster saves it`);
  });

  test.each(DEMO_ESTATE.map((spec) => [spec.name, spec] as const))(
    '%s comes back as it was',
    (_name, spec) => {
      const first = buildState(spec, options);
      first.guests.get(100)?.snapshots.set('made', {
        name: 'made',
        description: '',
        snaptime: 1,
        vmstate: false,
        config: { cores: 3 },
      });
      first.collections.create({ path: '/cluster/acme/plugins', noun: 'plugin' }, 'dns', { type: 'dns' });
      const [node] = first.nodes;
      if (node) node.online = false;
      first.datacenter.options.keyboard = 'de';
      first.datacenter.ha.resources['vm:100'] = {
        sid: 'vm:100',
        type: 'vm',
        state: 'started',
        max_restart: 1,
        max_relocate: 1,
        failback: 1,
      };
      first.datacenter.sdn.config = { zones: { blue: { type: 'vlan', bridge: 'vmbr0' } } };
      first.datacenter.firewalls.scopes['guest/100'] = {
        options: { enable: 1 },
        rules: [{ type: 'in', action: 'DROP' }],
        aliases: {},
        ipsets: {},
      };
      const text = JSON.stringify({ name: spec.name, nodes: spec.nodes, state: saveState(first) });
      const [seed] = readEstate([JSON.parse(text)]) as [ClusterSpec];
      const second = buildState(seed, options);
      expect(saveState(second)).toEqual(saveState(first));
      expect(second.access.tokens).toEqual(first.access.tokens);
      expect([...second.guests.values()].map(configDigest)).toEqual(
        [...first.guests.values()].map(configDigest),
      );
      expect(second.nodes[0]?.online).toBe(false);
      expect(second.datacenter).toEqual(first.datacenter);
      // The parts know each other: a guest's pool counts for the privileges on it.
      const member = [...second.guests.keys()].find((vmid) => second.pools[0]?.vmids.has(vmid));
      second.access.acl.push({
        path: `/pool/${second.pools[0]?.poolid}`,
        ugid: 'root@pve',
        role: 'PVEVMAdmin',
      });
      expect(second.access.has({ id: 'root@pve', user: 'root@pve' }, `/vms/${member}`, 'VM.Audit')).toBe(
        true,
      );
    },
  );
});

test('a large estate has as many guests as asked', () => {
  const [spec] = largeEstate({ guests: 10_000 }) as [ClusterSpec];
  expect(buildState(spec, options).guests.size).toBe(10_000);
  expect(readEstate([spec])).toHaveLength(1);
});
