import { splitList } from './formats.ts';
import { isObject } from './json.ts';
import type { RiskRule } from './risk-rules.ts';

type Parameters = Readonly<Record<string, unknown>>;

/** A rule about a call: what it says of the method holds when its parameters are such. */
export interface ParameterRule {
  readonly rule: RiskRule;
  readonly when: (params: Parameters) => boolean;
}

const GUEST = '/nodes/*/(qemu|lxc)/*';
const CREATE_OR_CONFIGURE = 'POST|PUT /nodes/*/(qemu|lxc)(|/*/config)';

/** The keys of a guest's configuration that hold a volume; `cdrom` is another name of `ide2`, whatever that holds. */
const VOLUME_KEY = /^(?:(?:scsi|virtio|ide|sata|mp|unused)\d+|efidisk0|tpmstate0|rootfs|cdrom|vmstate)$/;
/** Further keys whose value may be a path of the node. */
const PATH_KEY = /^(?:(?:serial|parallel|dev)\d+|archive|ostemplate)$/;
/** A value that is, or names, a path of the node instead of a volume; `mp=/data` is one within the guest. */
const NODE_PATH = /^\s*\/|(?:^|,)\s*(?:file|volume|import-from|path)=\s*\//;

/** Where parameters make a call less than its method: these take the place of the method's risks. */
export const EASING: readonly ParameterRule[] = [
  {
    rule: ['change', 'POST /nodes/*/vzdump', 'creates a backup and prunes none'],
    when: (params) => isFalse(params.remove) || keepsAll(params['prune-backups']),
  },
  {
    rule: ['change', 'POST /access/domains/*/sync', 'says what a synchronisation would do'],
    when: (params) => isOn(params['dry-run']),
  },
];

/** Where parameters make a call more than its method: these are added to the method's risks. */
export const RAISING: readonly ParameterRule[] = [
  {
    rule: ['destroy', `POST|PUT ${GUEST}/config`, 'delete removes disks'],
    when: (params) => listed(params.delete).some((key) => VOLUME_KEY.test(key)),
  },
  {
    rule: ['destroy', 'POST /nodes/*/(qemu|lxc)', 'force overwrites the guest that has the VMID'],
    when: (params) => isOn(params.force),
  },
  {
    rule: ['destroy', `POST ${GUEST}/(move_disk|move_volume)`, 'delete removes the volume that was copied'],
    when: (params) => isOn(params.delete),
  },
  {
    rule: ['destroy', `POST ${GUEST}/remote_migrate`, 'delete removes the guest here'],
    when: (params) => isOn(params.delete),
  },
  {
    rule: ['execute', CREATE_OR_CONFIGURE, 'args and hookscript run on the node'],
    when: (params) => isGiven(params.args) || isGiven(params.hookscript),
  },
  {
    rule: ['execute', CREATE_OR_CONFIGURE, 'opens files or devices of the node to the guest'],
    when: (params) =>
      Object.entries(params).some(
        ([key, value]) => (VOLUME_KEY.test(key) || PATH_KEY.test(key)) && namesPath(value),
      ),
  },
  {
    rule: ['execute', CREATE_OR_CONFIGURE, 'what cicustom holds runs in the guest'],
    when: (params) => isGiven(params.cicustom),
  },
  {
    rule: ['execute', CREATE_OR_CONFIGURE, 'entrypoint is run in the container'],
    when: (params) => isGiven(params.entrypoint),
  },
  {
    rule: ['execute', 'POST|PUT (/nodes/*/vzdump|/cluster/backup(|/*))', 'script runs on the node'],
    when: (params) => isGiven(params.script),
  },
  {
    rule: ['destroy', 'POST|PUT (/cluster/backup|/storage)(|/*)', 'old backups will be pruned'],
    when: (params) =>
      isOn(params.remove) ||
      isGiven(params.maxfiles) ||
      (isGiven(params['prune-backups']) && !keepsAll(params['prune-backups'])),
  },
  {
    rule: ['destroy', 'POST|PUT /cluster/jobs/realm-sync/*', 'users that vanished will be removed'],
    when: (params) => isGiven(params['remove-vanished']) && params['remove-vanished'] !== 'none',
  },
  {
    rule: ['destroy', 'POST|PUT /access/domains(|/*)', 'synchronisations will remove users that vanished'],
    when: (params) =>
      /remove-vanished|purge|full/.test(JSON.stringify(params['sync-defaults-options'] ?? '')),
  },
  {
    rule: ['destroy', 'POST|PUT /cluster/replication(|/*)', 'remove_job removes the job and its copies'],
    when: (params) => isGiven(params.remove_job),
  },
  // With a credential of its own, or more rights for one that it has, a caller needs this service no longer: nothing
  // that it then does is judged, approved or recorded here.
  {
    rule: ['execute', 'PUT /access/acl', 'gives rights that hold beside this service'],
    when: (params) => isGiven(params.roles) && !isOn(params.delete),
  },
  {
    rule: [
      'execute',
      'PUT /access/users/*/token/*',
      'the token gets rights, or a secret, beside this service',
    ],
    when: (params) => isOn(params.regenerate) || isGiven(params.privsep),
  },
  {
    rule: ['execute', 'POST|PUT /access/users(|/*)', 'gives rights, or a credential, beside this service'],
    when: (params) => isGiven(params.groups) || isGiven(params.password),
  },
  {
    rule: [
      'execute',
      'PUT /access/domains/*',
      'who runs the server that logins are checked by is any user of it',
    ],
    when: (params) => ['server1', 'server2', 'domain', 'issuer-url'].some((name) => isGiven(params[name])),
  },
  {
    rule: ['execute', 'PUT /access/roles/*', 'gives rights that hold beside this service'],
    when: (params) => isGiven(params.privs),
  },
  {
    rule: [
      'destroy',
      'POST /nodes/*/certificates/(custom|acme/certificate)',
      'force overwrites a certificate',
    ],
    when: (params) => isOn(params.force),
  },
  {
    rule: ['destroy', 'PUT (/access/acl|/pools|/pools/*)', 'delete removes permissions or members'],
    when: (params) => isOn(params.delete),
  },
  {
    rule: ['secret', 'PUT /access/users/*/token/*', "regenerate returns the token's new secret"],
    when: (params) => isOn(params.regenerate),
  },
  {
    rule: ['change', 'GET /cluster/acme/(meta|tos)', 'makes the node ask any server'],
    when: (params) => isGiven(params.directory),
  },
];

/** Parameters that are secrets wherever they occur. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  'cipassword',
  'client-key',
  'confirmation-password',
  'eab-hmac-key',
  'encryption-key',
  'keyring',
  'otel-headers',
  'otp',
  'password',
  'secret',
  'target-endpoint',
  'tfa-challenge',
  'ticket',
  'token',
  'totp',
  'vncticket',
]);

/** Parameters with a common name that are secrets in some places. */
const SECRET_PLACES: readonly (readonly [name: string, template: RegExp])[] = [
  ['data', /^\/cluster\/acme\/plugins/],
  ['header', /^\/cluster\/notifications\/endpoints\/webhook/],
  ['key', /^\/cluster\/sdn\/dns|\/certificates\/custom$|\/subscription$/],
  ['keys', /^\/access\/users/],
  ['tfa', /^\/access\/domains/],
  ['value', /^\/access\/tfa/],
];

/**
 * Whether a parameter of the method at this template is a secret: never logged, never repeated in an answer.
 *
 * @param template the path template, not a concrete path.
 */
export function isSecretParameter(template: string, name: string): boolean {
  return (
    SECRET_NAMES.has(name) || SECRET_PLACES.some(([known, place]) => known === name && place.test(template))
  );
}

/** Whether a parameter is given, with any value but nothing. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

/** As PVE reads booleans, for which a line break at the end is none; what it could not read it refuses. */
export function isOn(value: unknown): boolean {
  return /^(?:1|on|yes|true)\n?$/i.test(String(value));
}

function isFalse(value: unknown): boolean {
  return /^(?:0|off|no|false)$/i.test(String(value));
}

function listed(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((item) => splitList(String(item)));
}

function namesPath(value: unknown): boolean {
  if (isObject(value)) return Object.entries(value).some(([key, item]) => key !== 'mp' && namesPath(item));
  return typeof value === 'string' && NODE_PATH.test(value);
}

function keepsAll(value: unknown): boolean {
  if (isObject(value)) return isOn(value['keep-all']);
  return typeof value === 'string' && /(?:^|,)keep-all=(?:1|on|yes|true)(?:,|$)/i.test(value);
}
