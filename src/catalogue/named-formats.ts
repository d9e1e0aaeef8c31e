import type { ParameterSchema, PropertyFormat, PropertySchema } from './types.ts';

/**
 * Property strings that the API names without listing their keys, for schemas that bring no typetext: the
 * built-in catalogue's. Written like PVE's typetexts.
 */
const KEYS: Readonly<Record<string, string>> = {
  'backup-performance': '[max-workers=<integer>] [,pbs-entries-max=<integer>]',
  'prune-backups':
    '[keep-all=<1|0>] [,keep-last=<count>] [,keep-hourly=<count>] [,keep-daily=<count>] [,keep-weekly=<count>] [,keep-monthly=<count>] [,keep-yearly=<count>]',
  'proxmox-remote': 'apitoken=<token> ,host=<address> [,fingerprint=<sha256>] [,port=<integer>]',
  'pve-qm-boot': '[[legacy=]<letters>] [,order=<device;device>]',
  'pve-qm-cicustom': '[meta=<volume>] [,network=<volume>] [,user=<volume>] [,vendor=<volume>]',
  'pve-qm-hostpci':
    '[[host=]<address;address>] [,device-id=<hex>] [,legacy-igd=<1|0>] [,mapping=<mapping>] [,mdev=<type>] [,pcie=<1|0>] [,rombar=<1|0>] [,romfile=<file>] [,sub-device-id=<hex>] [,sub-vendor-id=<hex>] [,vendor-id=<hex>] [,x-vga=<1|0>]',
  'pve-qm-ipconfig': '[gw=<ipv4>] [,gw6=<ipv6>] [,ip=<cidr>] [,ip6=<cidr>]',
  'pve-qm-smbios1':
    '[base64=<1|0>] [,family=<text>] [,manufacturer=<text>] [,product=<text>] [,serial=<text>] [,sku=<text>] [,uuid=<uuid>] [,version=<text>]',
  'pve-qm-watchdog': '[[model=]<model>] [,action=<action>]',
  'pve-startup-order': '[[order=]<integer>] [,up=<integer>] [,down=<integer>]',
  'pve-vm-cpu-conf':
    '[[cputype=]<type>] [,flags=<+flag;-flag>] [,hidden=<1|0>] [,hv-vendor-id=<text>] [,phys-bits=<bits>] [,reported-model=<type>]',
  'realm-sync-options':
    '[enable-new=<1|0>] [,full=<1|0>] [,purge=<1|0>] [,remove-vanished=<acl;properties;entry>] [,scope=<users|groups|both>]',
};

const ENTRY = /(\[?)\s*,?(\[?)([A-Za-z][\w-]*)=(\]?)(<[^>]*>)?/g;

/**
 * The keys of a property string that the schema describes by a named format and a typetext alone, such as
 * `[[model=]<i6300esb|ib700>] [,action=<enum>]`.
 *
 * A typetext leaves out aliases and most constraints: good for writing an object, not for refusing a string.
 */
export function namedFormat(schema: ParameterSchema): PropertyFormat | undefined {
  if (typeof schema.format !== 'string') return undefined;
  const text = schema.typeText?.includes('=') ? schema.typeText : own(schema.format);
  if (text === undefined) return undefined;
  const keys: [string, PropertySchema][] = [];
  for (const [, outer = '', inner = '', key = '', bare = '', value = ''] of text.matchAll(ENTRY)) {
    // Of two brackets one is the default key's own: [[model=]<…>] is optional, [type=]<…> is not.
    const brackets = outer.length + inner.length;
    const type = value === '<1|0>' ? 'boolean' : value === '<integer>' ? 'integer' : 'string';
    keys.push([
      key,
      {
        type,
        ...(bare === '' ? {} : { defaultKey: true }),
        ...(brackets > bare.length ? { optional: true } : {}),
        ...(type === 'string' && value !== '' ? { formatDescription: value.slice(1, -1) } : {}),
      },
    ]);
  }
  return keys.length > 0 ? Object.fromEntries(keys) : undefined;
}

function own(name: string): string | undefined {
  return Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
}
