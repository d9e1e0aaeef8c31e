import { secretOf } from '../canary-parameters.ts';
import type { ToolCallTable } from './table.ts';

const cluster = 'production';

export const GUESTS_CALLS: ToolCallTable = {
  get_guest: { cluster, vmid: 100 },
  power_guest: { cluster, vmid: 101, action: 'stop' },
  create_vm: { cluster, name: 'made-01', vmid: 810, node: 'pve1', storage: 'local-lvm', start: true },
  create_container: {
    cluster,
    name: 'made-02',
    vmid: 811,
    node: 'pve1',
    storage: 'local-lvm',
    template: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
    password: secretOf('the password of a container'),
  },
  clone_guest: { cluster, vmid: 9000, new_name: 'copy-01', new_vmid: 812 },
  update_guest: { cluster, vmid: 103, cores: 2, notes: 'changed', disks: [{ size: '4G' }] },
  resize_disk: { cluster, vmid: 103, disk: 'scsi0', size: '+4G' },
  move_disk: { cluster, vmid: 103, disk: 'scsi0', storage: 'nas', delete_source: true },
  detach_disk: { cluster, vmid: 103, disk: 'scsi0', delete: true },
  migrate_guest: { cluster, vmid: 102, target: 'pve1' },
  convert_to_template: { cluster: 'staging', vmid: 101 },
  delete_guest: { cluster, vmid: 103, purge: true },
  bulk_power: { cluster, guests: ['web-*'], action: 'stop' },
  bulk_migrate: { cluster, guests: ['db-01'], target: 'pve1' },
};
