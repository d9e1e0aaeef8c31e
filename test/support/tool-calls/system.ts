import { makeCertificate } from '../../../src/simulator/certificate.ts';
import { secretOf } from '../canary-parameters.ts';
import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';
const node = 'pve1';

/** Accounts of ACME are for root@pam alone, as whom the service logs in at `staging`. */
export const SYSTEM_SETUP: readonly SetupCall[] = [
  {
    line: 'POST /cluster/notifications/endpoints/gotify',
    data: { name: 'phone', server: 'https://gotify.example', token: secretOf('a Gotify token') },
  },
  {
    line: 'POST /nodes/pve1/certificates/custom',
    data: async () => {
      const { pem, key } = await makeCertificate('production', 'pve1.example.org');
      return { certificates: pem, key };
    },
  },
  {
    cluster: 'staging',
    line: 'POST /cluster/acme/account',
    data: { name: 'default', contact: 'ops@example.org' },
  },
  {
    cluster: 'staging',
    line: 'PUT /nodes/stg1/config',
    data: { acme: 'account=default', acmedomain0: 'domain=stg1.example.org' },
  },
];

export const SYSTEM_CALLS: ToolCallTable = {
  list_certificates: { cluster, node },
  set_certificate: { cluster, node, remove: true },
  order_certificate: { cluster: 'staging', node: 'stg1' },
  list_updates: { cluster, node },
  refresh_updates: { cluster, node },
  list_settings: { cluster, kind: 'gotify' },
  save_setting: {
    cluster,
    kind: 'gotify',
    name: 'desk',
    options: { server: 'https://gotify.example', token: secretOf('a Gotify token') },
  },
  delete_setting: { cluster, kind: 'gotify', name: 'phone' },
  test_notification: { cluster, target: 'phone' },
  get_options: { cluster },
  set_options: { cluster, options: { keyboard: 'de' } },
  get_syslog: { cluster, node },
  list_services: { cluster, node },
  manage_service: { cluster, node, service: 'pvestatd', action: 'restart' },
};
