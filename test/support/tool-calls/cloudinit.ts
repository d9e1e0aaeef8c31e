import { secretOf } from '../canary-parameters.ts';
import type { SetupCall, ToolCallTable } from './table.ts';

const guest = { cluster: 'production', vmid: 181 };

/** A VM that runs, and whose drive lacks what was set since. */
export const CLOUDINIT_SETUP: readonly SetupCall[] = [
  {
    line: 'POST /nodes/pve1/qemu',
    data: {
      vmid: 181,
      name: 'cloud-01',
      scsi0: 'local-lvm:4',
      ide2: 'local-lvm:cloudinit',
      net0: 'virtio,bridge=vmbr0',
      memory: 512,
    },
  },
  { line: 'POST /nodes/pve1/qemu/181/status/start' },
  { line: 'PUT /nodes/pve1/qemu/181/config', data: { ciuser: 'ada' } },
];

export const CLOUDINIT_CALLS: ToolCallTable = {
  get_cloudinit: guest,
  set_cloudinit: {
    ...guest,
    user: 'bob',
    password: secretOf('a cloud-init password'),
    addresses: [{ nic: 'net0', ip: 'dhcp' }],
  },
  regenerate_cloudinit: guest,
  deploy_cloud_image: {
    cluster: 'production',
    name: 'fresh-01',
    image: 'https://cloud.example.org/noble-server-cloudimg-amd64.img',
    vmid: 814,
    node: 'pve1',
    storage: 'local-lvm',
    disk: '20G',
    user: 'ada',
    password: secretOf('a cloud-init password'),
    ip: '192.0.2.77/24',
    gw: '192.0.2.1',
    wait_seconds: 5,
  },
};
