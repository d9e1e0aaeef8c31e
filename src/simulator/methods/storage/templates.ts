import { invalidParameters } from '../../errors.ts';
import { findVolume } from '../../state/volumes.ts';
import { declare, on, startNodeTask } from '../declare.ts';
import { type Call, type Method, node, storage, text } from '../method.ts';
import { downloadDigest, downloadSize, newFile, store } from './files.ts';

interface Appliance {
  template: string;
  os: string;
  version: string;
  headline: string;
}

const APPLIANCES: Appliance[] = [
  {
    template: 'alpine-3.22-default_20250617_amd64.tar.xz',
    os: 'alpine',
    version: '20250617',
    headline: 'Alpine',
  },
  {
    template: 'debian-12-standard_12.12-1_amd64.tar.zst',
    os: 'debian-12',
    version: '12.12-1',
    headline: 'Debian 12',
  },
  {
    template: 'debian-13-standard_13.1-2_amd64.tar.zst',
    os: 'debian-13',
    version: '13.1-2',
    headline: 'Debian 13',
  },
  {
    template: 'ubuntu-24.04-standard_24.04-2_amd64.tar.zst',
    os: 'ubuntu-24.04',
    version: '24.04-2',
    headline: 'Ubuntu',
  },
];

const location = ({ template }: Appliance): string => `http://download.proxmox.com/images/system/${template}`;

function list(): unknown {
  return APPLIANCES.map((appliance) => ({
    ...appliance,
    package: appliance.template.split('_')[0],
    architecture: 'amd64',
    section: 'system',
    source: 'https://download.proxmox.com/images',
    type: 'lxc',
    location: location(appliance),
    sha512sum: downloadDigest(location(appliance), 'sha512'),
    description: `${appliance.headline} (standard system)`,
    infopage: 'https://pve.proxmox.com/wiki/Linux_Container',
    maintainer: 'simulated',
  }));
}

/** Fetching a template that is there already is no mistake: it is left as it is. */
function fetchTemplate(call: Call): string {
  const { state } = call;
  const wanted = APPLIANCES.find(({ template }) => template === text(call, 'template'));
  if (!wanted) throw invalidParameters({ template: 'no such template' });
  const file = newFile(call, 'vztmpl', wanted.template);
  return startNodeTask(call, 'download', wanted.template, {
    end: () => {
      if (!findVolume(state, file.host, file.volid)) store(state, file, downloadSize(location(wanted)));
    },
    log: [`downloading ${location(wanted)} to ${file.volid}`],
  });
}

/** The container templates that can be fetched. */
export const templateMethods: Method[] = [
  declare('GET', '/nodes/{node}/aplinfo', { user: 'all' }, { node }, list),
  declare(
    'POST',
    '/nodes/{node}/aplinfo',
    on('/storage/{storage}', 'Datastore.AllocateTemplate'),
    { node, storage, template: { type: 'string', maxLength: 255 } },
    fetchTemplate,
  ),
];
