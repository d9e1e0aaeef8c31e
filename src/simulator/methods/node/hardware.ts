import { createHash, X509Certificate } from 'node:crypto';
import { failure, invalidParameters } from '../../errors.ts';
import { ARCHITECTURE, declare, onAny, served, startNodeTask } from '../declare.ts';
import { type Call, flag, type Method, node, optionalText, string, text } from '../method.ts';
import { CPU_MODELS, machineVersions } from '../virtual-hardware.ts';
import { hostOf, settings } from './system.ts';

const PCI = [
  {
    id: '0000:00:02.0',
    class: '0x030000',
    vendor_name: 'Example Graphics',
    device_name: 'Display',
    iommugroup: 0,
  },
  {
    id: '0000:01:00.0',
    class: '0x030000',
    vendor_name: 'Example Accelerators',
    device_name: 'GPU 24G',
    iommugroup: 12,
    mdev: 1,
  },
  {
    id: '0000:02:00.0',
    class: '0x020000',
    vendor_name: 'Example Networks',
    device_name: '2x25G Ethernet',
    iommugroup: 13,
  },
  {
    id: '0000:03:00.0',
    class: '0x010802',
    vendor_name: 'Example Storage',
    device_name: 'NVMe controller',
    iommugroup: 14,
  },
  {
    id: '0000:00:1f.0',
    class: '0x060100',
    vendor_name: 'Example Chipsets',
    device_name: 'ISA bridge',
    iommugroup: -1,
  },
];

/** Bridges, memory controllers and processors are left out unless they are asked for. */
function pci(call: Call): unknown {
  const hidden = (optionalText(call, 'pci-class-blacklist') ?? '05;06;0b').split(/[;, ]+/).filter(Boolean);
  const shown = PCI.filter((device) => !hidden.some((prefix) => device.class.startsWith(`0x${prefix}`)));
  return shown.map((device, index) => ({
    ...device,
    vendor: `0x1${index}de`,
    device: `0x2${index}b4`,
    subsystem_vendor: '0x1043',
    subsystem_device: '0x8877',
  }));
}

function mediatedTypes(id: string): unknown {
  const device = PCI.find((candidate) => candidate.id === id);
  if (!device) throw failure(`no such PCI device '${id}'`);
  if (device.mdev === undefined) return [];
  return [{ type: 'sim-4Q', available: 4, description: 'num_heads=4', name: 'Simulated 4Q' }];
}

const USB = [
  {
    busnum: 1,
    devnum: 2,
    level: 1,
    class: 9,
    port: 1,
    prodid: '0608',
    vendid: '05e3',
    speed: '480',
    product: 'Hub',
    usbpath: '1',
  },
  {
    busnum: 1,
    devnum: 3,
    level: 2,
    class: 0,
    port: 2,
    prodid: '0407',
    vendid: '1050',
    speed: '12',
    product: 'Security key',
    usbpath: '1.2',
  },
];

function cpuModels(): unknown {
  return CPU_MODELS.map((name) => {
    return { name, custom: 0, vendor: name.startsWith('EPYC') ? 'AuthenticAMD' : 'default' };
  });
}

function machines({ state }: Call): unknown {
  return ['i440fx', 'q35'].flatMap((type) => {
    return machineVersions(state).map((version) => ({ id: `pc-${type}-${version}`, type, version }));
  });
}

/** What the host uses until a certificate is uploaded: one of the cluster's own authority. */
function ownCertificate(
  call: Call,
  filename: string,
  subject: string,
  years: number,
): Record<string, unknown> {
  const host = hostOf(call);
  const created = Math.floor(host.bootedAt / 1000 / 86_400) * 86_400;
  const fingerprint = createHash('sha256')
    .update(`${filename} ${call.state.name} ${subject}`)
    .digest('hex')
    .toUpperCase();
  return {
    filename,
    subject,
    issuer: '/CN=Proxmox Virtual Environment/OU=simulated/O=PVE Cluster Manager CA',
    notbefore: created,
    notafter: created + years * 365 * 86_400,
    fingerprint: (fingerprint.match(/../g) ?? []).join(':'),
    'public-key-type': 'rsaEncryption',
    'public-key-bits': 4096,
    san: [host.ip, host.name, `${host.name}.example.com`],
  };
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw invalidParameters({
      certificates: 'invalid format - value does not look like a valid certificate chain\n',
    });
  }
}

function uploaded(pem: string): Record<string, unknown> {
  const certificate = parse(pem);
  return {
    filename: 'pveproxy-ssl.pem',
    pem,
    subject: certificate.subject,
    issuer: certificate.issuer,
    notbefore: Math.floor(Date.parse(certificate.validFrom) / 1000),
    notafter: Math.floor(Date.parse(certificate.validTo) / 1000),
    fingerprint: certificate.fingerprint256,
    'public-key-type': certificate.publicKey.asymmetricKeyType,
    san: (certificate.subjectAltName ?? '').split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '')),
  };
}

function certificates(call: Call): unknown {
  const { customCertificate, acmeCertificate } = settings(call);
  const { name } = hostOf(call);
  return [
    ownCertificate(call, 'pve-root-ca.pem', '/CN=Proxmox Virtual Environment/OU=simulated', 10),
    ownCertificate(
      call,
      'pve-ssl.pem',
      `/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN=${name}.example.com`,
      2,
    ),
    ...(customCertificate === undefined ? [] : [uploaded(customCertificate)]),
    ...(acmeCertificate ? [ownCertificate(call, 'pveproxy-ssl.pem', `/CN=${name}.example.com`, 1)] : []),
  ];
}

function upload(call: Call): unknown {
  const present = settings(call);
  if (present.customCertificate !== undefined && !flag(call, 'force')) {
    throw invalidParameters({ certificates: 'custom certificate exists but force is not set' });
  }
  const shown = uploaded(text(call, 'certificates'));
  present.customCertificate = text(call, 'certificates');
  return shown;
}

function removeCustom(call: Call): null {
  delete settings(call).customCertificate;
  return null;
}

/** Orders, renews or revokes; which domains, the node's configuration says. */
function acme(order: boolean, type: string) {
  return (call: Call): string => {
    const present = settings(call);
    if (present.config.acme === undefined && present.config.acmedomain0 === undefined) {
      throw failure("No domains configured for 'acme' in node config");
    }
    return startNodeTask(call, type, '', {
      end: () => {
        present.acmeCertificate = order;
      },
      log: [order ? 'order placed, all domains validated' : 'certificate revoked'],
    });
  };
}

const path = '/nodes/{node}';
const certificate = `${path}/certificates/acme/certificate`;

export const hardwareMethods: Method[] = [
  served('GET', `${path}/hardware/pci`, pci),
  // The placeholder was renamed on the way to 9.
  ...['pciid', 'pci-id-or-mapping'].map((name) => {
    const at = `${path}/hardware/pci/{${name}}/mdev`;
    const read = (call: Call): unknown => mediatedTypes(text(call, name));
    return declare('GET', at, onAny('/', 'Sys.Audit', 'Sys.Modify'), { node, [name]: string }, read);
  }),
  served('GET', `${path}/hardware/usb`, () => USB),
  served('GET', `${path}/capabilities/qemu/cpu`, cpuModels, { arch: ARCHITECTURE }),
  served('GET', `${path}/capabilities/qemu/machines`, machines, { arch: ARCHITECTURE }),
  served('GET', `${path}/certificates/info`, certificates),
  served('POST', `${path}/certificates/custom`, upload),
  served('DELETE', `${path}/certificates/custom`, removeCustom),
  served('POST', certificate, acme(true, 'acmenewcert')),
  served('PUT', certificate, acme(true, 'acmerenew')),
  served('DELETE', certificate, acme(false, 'acmerevoke')),
];
