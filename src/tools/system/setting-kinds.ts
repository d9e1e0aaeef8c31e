import type { ApiCall } from '../define.ts';

/** What is set up for a whole cluster by name, and how the API has it. */
interface Kind {
  /** What a person calls one. */
  noun: string;
  /** Where they are listed, and new ones are made. */
  collection: string;
  /** One of them; new ones are made here where `createdAt` says so. */
  item: string;
  createdAt?: 'item';
  /** What the API calls the name. */
  key: 'id' | 'name';
  /** How `delete` is given. */
  removal: 'list' | 'array' | 'none';
  /** Options that a change can't leave out: those there are, are given again. */
  repeated?: readonly string[];
  /** Options of a new one and of a change; not all of all versions. */
  options: readonly string[];
  /** Options of a new one alone. */
  onceOnly?: readonly string[];
  /** The first version that has it, where that is not every one. */
  since?: string;
}

const ENDPOINTS = '/cluster/notifications/endpoints';
const MAIL = ['author', 'comment', 'disable', 'from-address', 'mailto', 'mailto-user'];

const endpoint = (type: string, options: readonly string[]): Kind => ({
  noun: `${type} endpoint`,
  collection: `${ENDPOINTS}/${type}`,
  item: `${ENDPOINTS}/${type}/{name}`,
  key: 'name',
  removal: 'array',
  options,
});

const mapping = (type: string, options: readonly string[]): Kind => ({
  noun: `mapping of ${type}`,
  collection: `/cluster/mapping/${type}`,
  item: `/cluster/mapping/${type}/{id}`,
  key: 'id',
  removal: 'list',
  options: ['description', 'map', ...options],
});

export const SETTING_KINDS = [
  'acme_account',
  'acme_plugin',
  'gotify',
  'sendmail',
  'smtp',
  'webhook',
  'matcher',
  'metric_server',
  'pci_mapping',
  'usb_mapping',
  'dir_mapping',
] as const;

export type SettingKind = (typeof SETTING_KINDS)[number];

const METRICS = [
  ...[
    'api-path-prefix',
    'bucket',
    'disable',
    'influxdbproto',
    'max-body-size',
    'mtu',
    'organization',
    'path',
  ],
  ...['port', 'proto', 'server', 'timeout', 'token', 'verify-certificate'],
  ...['otel-compression', 'otel-headers', 'otel-max-body-size', 'otel-path', 'otel-protocol'],
  ...['otel-resource-attributes', 'otel-timeout', 'otel-verify-ssl'],
];

export const KINDS: Readonly<Record<SettingKind, Kind>> = {
  acme_account: {
    noun: 'ACME account',
    collection: '/cluster/acme/account',
    item: '/cluster/acme/account/{name}',
    key: 'name',
    removal: 'none',
    options: ['contact'],
    onceOnly: ['directory', 'tos_url', 'eab-kid', 'eab-hmac-key'],
  },
  acme_plugin: {
    noun: 'ACME plugin',
    collection: '/cluster/acme/plugins',
    item: '/cluster/acme/plugins/{id}',
    key: 'id',
    removal: 'list',
    options: ['api', 'data', 'disable', 'nodes', 'validation-delay'],
    onceOnly: ['type'],
  },
  gotify: endpoint('gotify', ['comment', 'disable', 'server', 'token']),
  sendmail: endpoint('sendmail', MAIL),
  smtp: endpoint('smtp', [...MAIL, 'mode', 'password', 'port', 'server', 'username']),
  webhook: {
    ...endpoint('webhook', ['body', 'comment', 'disable', 'header', 'method', 'secret', 'url']),
    since: '8.3',
  },
  matcher: {
    noun: 'notification matcher',
    collection: '/cluster/notifications/matchers',
    item: '/cluster/notifications/matchers/{name}',
    key: 'name',
    removal: 'array',
    options: [
      ...['comment', 'disable', 'invert-match', 'match-calendar', 'match-field', 'match-severity', 'mode'],
      'target',
    ],
  },
  metric_server: {
    noun: 'metric server',
    collection: '/cluster/metrics/server',
    item: '/cluster/metrics/server/{id}',
    createdAt: 'item',
    key: 'id',
    removal: 'list',
    repeated: ['server', 'port'],
    options: METRICS,
    onceOnly: ['type'],
  },
  pci_mapping: mapping('pci', ['mdev', 'live-migration-capable']),
  usb_mapping: { ...mapping('usb', []), repeated: ['map'] },
  dir_mapping: { ...mapping('dir', []), since: '8.4' },
};

/** The calls that make and change settings, for the declaration of a tool. */
export const SAVE_CALLS: readonly ApiCall[] = SETTING_KINDS.flatMap((kind): ApiCall[] => {
  const { collection, item, createdAt, key, removal, options, onceOnly = [] } = KINDS[kind];
  const create: ApiCall =
    createdAt === 'item'
      ? ['POST', item, ...options, ...onceOnly]
      : ['POST', collection, key, ...options, ...onceOnly];
  return [create, ['PUT', item, ...options, ...(removal === 'none' ? [] : ['delete'])]];
});

export const LIST_CALLS: readonly ApiCall[] = SETTING_KINDS.map((kind) => ['GET', KINDS[kind].collection]);
export const DELETE_CALLS: readonly ApiCall[] = SETTING_KINDS.map((kind) => ['DELETE', KINDS[kind].item]);
