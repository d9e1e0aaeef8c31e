import { describe, expect, it } from 'vitest';
import { parseApiPath } from '../../../../src/proxmox/api-path.ts';
import { targetOf } from '../../../../src/tools/api/call-target.ts';

const target = (method: string, path: string, data?: Record<string, unknown>) => {
  const { name, vmid } = targetOf(parseApiPath(path), method, data);
  return [name, vmid];
};

describe('targetOf', () => {
  it.each<[string, string, Record<string, unknown> | undefined, (string | number | undefined)[]]>([
    ['GET', '/nodes/pve1/qemu/100/status/current', undefined, [undefined, 100]],
    ['GET', '/api2/json/nodes/{node}/lxc/101/config', undefined, [undefined, 101]],
    ['POST', '/nodes/pve1/qemu', { vmid: 300, name: 'prod-1' }, ['prod-1', 300]],
    ['POST', '/nodes/pve1/lxc', { vmid: '300', hostname: 'prod-1' }, ['prod-1', 300]],
    // A container has no `name`, a VM no `hostname`.
    ['POST', '/nodes/pve1/lxc', { vmid: 300, name: 'prod-1' }, [undefined, 300]],
    // The guest that is cloned says where, not the clone.
    ['POST', '/nodes/pve1/qemu/100/clone', { newid: 900, name: 'stg-1' }, [undefined, 100]],
    ['PUT', '/nodes/pve1/qemu/100/config', { name: 'stg-1', vmid: 900 }, [undefined, 100]],
    ['POST', '/nodes/pve1/qemu/{vmid}/clone', { newid: 900, name: 'stg-1' }, [undefined, undefined]],
    ['GET', '/nodes/pve1/qemu', { name: 'prod-1' }, [undefined, undefined]],
    ['POST', '/nodes/pve1/vzdump', { vmid: 100 }, [undefined, undefined]],
    ['GET', '/nodes/pve1/storage/100', undefined, [undefined, undefined]],
    ['GET', '/version', { name: 'prod-1', vmid: 100 }, [undefined, undefined]],
    ['GET', '/', undefined, [undefined, undefined]],
  ])('%s %s %j', (method, path, data, expected) => {
    expect(target(method, path, data)).toEqual(expected);
  });

  it.each([[''], ['0100'], [99], [1e9], [100.5], ['1e3'], [null], [[100]], [{ toString: 'x' }], [true]])(
    '%j is no VMID, and breaks nothing',
    (vmid) => {
      expect(target('POST', '/nodes/pve1/qemu', { vmid, name: vmid })[1]).toBeUndefined();
    },
  );
});
