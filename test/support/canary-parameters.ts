import type { HttpMethod } from '../../src/proxmox/call.ts';
import { canaryWatch } from './canary-watch.ts';

/** A call with a parameter that is a secret. */
export interface SecretCall {
  name: string;
  secret: string;
  method: HttpMethod;
  path: string;
  parameter: string;
  data: Record<string, unknown>;
}

type Row = readonly [
  name: string,
  call: `${HttpMethod} ${string}`,
  parameter: string,
  others?: Record<string, unknown>,
  /** What stands around the secret in its parameter. */
  around?: (secret: string) => string,
];

const VM = '/nodes/pve2/qemu/103';

/** Every kind of secret that a call to Proxmox takes. */
const ROWS: readonly Row[] = [
  ['the password of a new user', 'POST /access/users', 'password', { userid: 'canary@pve' }],
  ['a changed password', 'PUT /access/password', 'password', { userid: 'mcp@pve' }],
  [
    'a confirmed password',
    'PUT /access/password',
    'confirmation-password',
    { userid: 'a@pve', password: 'another-one' },
  ],
  ['a login', 'POST /access/ticket', 'password', { username: 'root@pam' }],
  ['a one-time code', 'POST /access/ticket', 'otp', { username: 'root@pam', password: 'another-one' }],
  [
    'a second factor',
    'POST /access/tfa/mcp@pve',
    'totp',
    { type: 'totp' },
    (s) => `otpauth://totp/x?secret=${s}`,
  ],
  ['a recovery value', 'POST /access/tfa/mcp@pve', 'value', { type: 'totp' }],
  ['a cloud-init password', `PUT ${VM}/config`, 'cipassword'],
  [
    'the password of a user in a guest',
    `POST ${VM}/agent/set-user-password`,
    'password',
    { username: 'root' },
  ],
  [
    'the password of a container',
    'POST /nodes/pve2/lxc',
    'password',
    { vmid: 990, ostemplate: 'local:vztmpl/x.tar.zst' },
  ],
  [
    'an OpenID client key',
    'POST /access/domains',
    'client-key',
    { realm: 'canary', type: 'openid', 'issuer-url': 'https://id.example', 'client-id': 'x' },
  ],
  [
    'the password of an LDAP realm',
    'POST /access/domains',
    'password',
    { realm: 'canary2', type: 'ldap', server1: 'ldap.example', base_dn: 'dc=x', user_attr: 'uid' },
  ],
  [
    'the password of a share',
    'POST /storage',
    'password',
    { storage: 'canary', type: 'cifs', server: '10.0.0.9', share: 's', username: 'u' },
  ],
  [
    'the encryption key of backups',
    'POST /storage',
    'encryption-key',
    {
      storage: 'canary2',
      type: 'pbs',
      server: '10.0.0.9',
      datastore: 'd',
      username: 'u@pbs',
      password: 'another-one',
    },
  ],
  [
    'a Ceph keyring',
    'POST /storage',
    'keyring',
    { storage: 'canary3', type: 'rbd', pool: 'p', monhost: '10.0.0.9' },
  ],
  [
    'an SMTP password',
    'POST /cluster/notifications/endpoints/smtp',
    'password',
    {
      name: 'canary',
      server: 'mail.example',
      'from-address': 'a@example.org',
      mailto: 'b@example.org',
      username: 'u',
    },
  ],
  [
    'a Gotify token',
    'POST /cluster/notifications/endpoints/gotify',
    'token',
    { name: 'canary', server: 'https://gotify.example' },
  ],
  [
    'a webhook secret',
    'POST /cluster/notifications/endpoints/webhook',
    'secret',
    { name: 'canary', url: 'https://hook.example', method: 'post' },
    (s) => `name=k,value=${Buffer.from(s).toString('base64')}`,
  ],
  [
    'a webhook header',
    'POST /cluster/notifications/endpoints/webhook',
    'header',
    { name: 'canary2', url: 'https://hook.example', method: 'post' },
    (s) => `name=Authorization,value=${Buffer.from(s).toString('base64')}`,
  ],
  [
    'an InfluxDB token',
    'POST /cluster/metrics/server/canary',
    'token',
    { type: 'influxdb', server: '10.0.0.9', port: 8086 },
  ],
  [
    'the API key of a DNS provider',
    'POST /cluster/acme/plugins',
    'data',
    { id: 'canary', type: 'dns', api: 'cf' },
    (s) => Buffer.from(`CF_Token=${s}`).toString('base64'),
  ],
  [
    'an ACME account binding',
    'POST /cluster/acme/account',
    'eab-hmac-key',
    { contact: 'a@example.org', 'eab-kid': 'x' },
  ],
  [
    'the key of a DNS zone',
    'POST /cluster/sdn/dns',
    'key',
    { dns: 'canary', type: 'powerdns', url: 'https://dns.example' },
  ],
  [
    'the token of an IPAM',
    'POST /cluster/sdn/ipams',
    'token',
    { ipam: 'canary', type: 'netbox', url: 'https://ipam.example' },
  ],
  [
    'a private key',
    'POST /nodes/pve2/certificates/custom',
    'key',
    { certificates: 'x' },
    (s) => `-----BEGIN PRIVATE KEY-----\n${s}\n-----END PRIVATE KEY-----`,
  ],
  [
    'the token of another cluster',
    `POST ${VM}/remote_migrate`,
    'target-endpoint',
    { 'target-bridge': '1', 'target-storage': '1' },
    (s) => `host=10.0.0.9,apitoken=PVEAPIToken=root@pam!x=${s},fingerprint=AA:BB`,
  ],
  [
    'the password of a cluster to join',
    'POST /cluster/config/join',
    'password',
    { hostname: '10.0.0.9', fingerprint: 'AA:BB' },
  ],
  [
    'the password of a backup server',
    'GET /nodes/pve2/scan/pbs',
    'password',
    { server: '10.0.0.9', username: 'u@pbs' },
  ],
  // A person who is asked sees what these hold, but for what looks like a secret.
  [
    'what is written into a file',
    `POST ${VM}/agent/file-write`,
    'content',
    { file: '/root/.env' },
    (s) => `API_PASSWORD=${s}`,
  ],
  [
    'the input of a program',
    `POST ${VM}/agent/exec`,
    'input-data',
    { command: ['cat'] },
    (s) => `mysql --password=${s}`,
  ],
  ['a licence key', 'PUT /nodes/pve2/subscription', 'key'],
];

/** Each with a secret of its own, with characters that every encoding writes in another way. */
export const SECRET_CALLS: readonly SecretCall[] = ROWS.map(
  ([name, call, parameter, others, around], index) => {
    const [method, path] = call.split(' ') as [HttpMethod, string];
    const secret = `c4n4ry+${String(index).padStart(3, '0')}/${(index * 7919 + 104_729).toString(36)}~pa?s>s:w0rd`;
    canaryWatch.watchLastingly(name, secret);
    const data = { ...others, [parameter]: around?.(secret) ?? secret };
    return { name, secret, method, path, parameter, data };
  },
);

/** The secret of one of these calls, for tests that make a call of their own. */
export function secretOf(name: string): string {
  const found = SECRET_CALLS.find((call) => call.name === name);
  if (found === undefined) throw new Error(`no call with ${name}`);
  return found.secret;
}
