import { secretOf } from '../canary-parameters.ts';
import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';
const node = 'pve1';
const URL = 'https://cloud.example.org/tool-image.qcow2';

export const STORAGE_SETUP: readonly SetupCall[] = [
  { line: 'POST /storage', data: { storage: 'spare', type: 'dir', path: '/srv/spare', content: 'iso' } },
  {
    line: 'POST /nodes/pve1/storage/local/download-url',
    data: { content: 'import', filename: 'tool-image.qcow2', url: URL },
  },
];

export const STORAGE_CALLS: ToolCallTable = {
  get_storage: { cluster, storage: 'nas' },
  create_storage: {
    cluster,
    storage: 'share',
    type: 'cifs',
    options: {
      server: '192.0.2.50',
      share: 's',
      username: 'u',
      password: secretOf('the password of a share'),
    },
    content: ['backup'],
  },
  update_storage: { cluster, storage: 'spare', content: ['iso', 'vztmpl'], enabled: false },
  delete_storage: { cluster, storage: 'spare' },
  list_storage_content: { cluster, storage: 'local', node },
  upload_to_storage: {
    cluster,
    filename: 'tiny.iso',
    data: Buffer.from('a very small image').toString('base64'),
    storage: 'local',
    node,
  },
  download_to_storage: { cluster, url: 'https://cloud.example.org/other.iso', storage: 'local', node },
  list_appliances: { cluster, node },
  download_appliance: { cluster, template: 'alpine-3.22-default', storage: 'local', node },
  delete_volume: { cluster, volid: 'local:iso/debian-13.1.0-amd64-netinst.iso', node },
  import_disk: { cluster, vmid: 100, source: 'local:import/tool-image.qcow2', storage: 'local-lvm' },
};
