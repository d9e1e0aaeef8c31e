import { failure } from '../../errors.ts';
import type { AptRepository } from '../../state/node-settings.ts';
import { digestOf, refuseStale } from '../../state/section.ts';
import { served, startNodeTask } from '../declare.ts';
import { type Call, flag, type Method, number, optionalText, text } from '../method.ts';
import { settings } from './system.ts';

interface Package {
  name: string;
  version: string;
  /** The version the repositories have, where it is newer. */
  next?: string;
  section: string;
  title: string;
}

const PACKAGES: Package[] = [
  { name: 'proxmox-ve', version: '9.2.0', section: 'admin', title: 'Proxmox Virtual Environment' },
  { name: 'pve-manager', version: '9.2.11', next: '9.2.12', section: 'admin', title: 'Management tools' },
  { name: 'qemu-server', version: '9.2.6', section: 'admin', title: 'Tools for virtual machines' },
  { name: 'pve-container', version: '6.1.2', section: 'perl', title: 'Tools for containers' },
  {
    name: 'pve-qemu-kvm',
    version: '10.1.2-3',
    next: '10.1.2-4',
    section: 'admin',
    title: 'Full virtualisation',
  },
  { name: 'libpve-storage-perl', version: '9.1.7', section: 'perl', title: 'Storage management' },
  { name: 'openssl', version: '3.5.1-1', next: '3.5.1-1+deb13u1', section: 'utils', title: 'TLS toolkit' },
];

function row({ name, version, next, section, title }: Package): Record<string, unknown> {
  const own = name !== 'openssl';
  return {
    Package: name,
    Title: title,
    Description: `${title}, as packaged for the simulated host.`,
    Arch: name === 'openssl' ? 'amd64' : 'all',
    Origin: own ? 'Proxmox' : 'Debian',
    Section: section,
    Priority: own ? 'optional' : 'important',
    OldVersion: version,
    ...(next === undefined ? {} : { Version: next }),
  };
}

function updates(call: Call): unknown {
  return settings(call).listsUpdated ? PACKAGES.filter(({ next }) => next !== undefined).map(row) : [];
}

function refresh(call: Call): string {
  const present = settings(call);
  return startNodeTask(call, 'aptupdate', '', {
    end: () => {
      present.listsUpdated = true;
    },
    log: [
      'starting apt-get update',
      ...present.repositories.filter(({ enabled }) => enabled).map(({ uri }) => `Hit: ${uri}`),
    ],
  });
}

function versions(): unknown {
  const release = '7.0.6-2-pve';
  return PACKAGES.map((item) => ({
    ...row(item),
    Version: item.version,
    CurrentState: 'Installed',
    ...(item.name === 'pve-manager' ? { ManagerVersion: item.version } : {}),
    ...(item.name === 'proxmox-ve' ? { RunningKernel: release } : {}),
  }));
}

function changelog(call: Call): string {
  const found = PACKAGES.find(({ name }) => name === text(call, 'name'));
  if (!found) throw failure(`apt-get changelog failed: no package '${text(call, 'name')}'`);
  const version = optionalText(call, 'version') ?? found.next ?? found.version;
  return `${found.name} (${version}) trixie; urgency=medium\n\n  * maintenance of the simulated package\n`;
}

const STANDARD: [string, string][] = [
  ['enterprise', 'Enterprise'],
  ['no-subscription', 'No-Subscription'],
  ['test', 'Test'],
];

const handleOf = ({ handle }: AptRepository): string => handle ?? '';

function repositories(call: Call): unknown {
  const { repositories: all } = settings(call);
  const paths = [...new Set(all.map(({ path }) => path))];
  return {
    digest: digestOf(all),
    errors: [],
    infos: [],
    files: paths.map((path) => ({
      path,
      'file-type': 'sources',
      repositories: all
        .filter((repository) => repository.path === path)
        .map(({ uri, suite, components, enabled }) => ({
          Types: ['deb'],
          URIs: [uri],
          Suites: [suite],
          Components: components,
          Enabled: enabled ? 1 : 0,
          FileType: 'sources',
        })),
    })),
    'standard-repos': STANDARD.map(([handle, name]) => {
      const known = all.find((repository) => handleOf(repository) === handle);
      return { handle, name, ...(known ? { status: known.enabled ? 1 : 0 } : {}) };
    }),
  };
}

function changeRepository(call: Call): null {
  const { repositories: all } = settings(call);
  refuseStale(call.parameters, all);
  const found = all.filter(({ path }) => path === text(call, 'path'))[number(call, 'index')];
  if (!found)
    throw failure(`invalid index - repository ${number(call, 'index')} of ${text(call, 'path')} not found`);
  if (call.parameters.enabled !== undefined) found.enabled = flag(call, 'enabled');
  return null;
}

function addRepository(call: Call): null {
  const { repositories: all } = settings(call);
  refuseStale(call.parameters, all);
  const handle = text(call, 'handle');
  const standard = STANDARD.find(([name]) => name === handle);
  if (!standard) throw failure(`unknown handle '${handle}'`);
  const known = all.find((repository) => handleOf(repository) === handle);
  if (known) known.enabled = true;
  else {
    all.push({
      path: '/etc/apt/sources.list.d/proxmox.sources',
      handle,
      name: standard[1],
      uri: 'http://download.proxmox.com/debian/pve',
      suite: 'trixie',
      components: [`pve-${handle}`],
      enabled: true,
    });
  }
  return null;
}

function subscription(call: Call): unknown {
  const { subscriptionKey: key } = settings(call);
  const url = 'https://www.proxmox.com/en/proxmox-virtual-environment/pricing';
  if (key === undefined) return { status: 'notfound', message: 'There is no subscription key', url };
  const level = key[4] ?? 'c';
  const checktime = Math.floor(call.state.clock() / 86_400_000) * 86_400;
  const product = { productname: 'Proxmox VE Simulated Subscription', regdate: '2026-01-01 00:00:00' };
  return { status: 'active', key, level, checktime, ...product, nextduedate: '2027-01-01', sockets: 1, url };
}

const apt = '/nodes/{node}/apt';
const subscribed = '/nodes/{node}/subscription';

export const aptMethods: Method[] = [
  served('GET', `${apt}/update`, updates),
  served('POST', `${apt}/update`, refresh),
  served('GET', `${apt}/versions`, versions),
  served('GET', `${apt}/changelog`, changelog),
  served('GET', `${apt}/repositories`, repositories),
  served('POST', `${apt}/repositories`, changeRepository),
  served('PUT', `${apt}/repositories`, addRepository),
  served('GET', subscribed, subscription),
  served('PUT', subscribed, (call) => {
    settings(call).subscriptionKey = text(call, 'key');
    return null;
  }),
  served('POST', subscribed, () => null),
  served('DELETE', subscribed, (call) => {
    delete settings(call).subscriptionKey;
    return null;
  }),
];
