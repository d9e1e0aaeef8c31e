import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { bridgeFor, nodeFor, nodeParam, storageFor, storageParam } from '../defaults.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { guestFields, guestLabel, vmidParam } from '../guest-target.ts';
import { mebibytes } from '../guests/disks.ts';
import { NEXT_ID } from '../guests/new-guest.ts';
import { nicOptions } from '../guests/nics.ts';
import { newNameParam } from '../guests/settings.ts';
import { clusterParam, selectionOf, textParam } from '../params.ts';
import { propertyString } from '../property-string.ts';
import { compact, noted } from '../results.ts';
import { sizeOf, sizeParam } from '../size.ts';
import { CONTENT_CALLS } from '../storage/content.ts';
import { DOWNLOAD_CALLS } from '../storage/download.ts';
import { checksumParam } from '../storage/files.ts';
import { PLACE_CALLS, placeFor } from '../storage/place.ts';
import { TASK_CALLS, taskField } from '../task.ts';
import { addressOptions, addressParams, keysParam, keysText, nameserversParam } from './cloudinit.ts';
import { DEPLOY_CALLS, type Deployment, deploy } from './deployment.ts';
import { freeVmid } from './free-vmid.ts';
import { imageFor, isUrl, nodeOfImage } from './image.ts';

/** Behind the waiting, for the reads before it and the last answers. */
const SLACK_SECONDS = 120;

const input = z.strictObject({
  cluster: clusterParam,
  name: newNameParam,
  image: textParam(2000).describe('URL, or volid of content import.'),
  checksum: checksumParam,
  vmid: vmidParam.optional(),
  node: nodeParam,
  storage: storageParam,
  image_storage: storageParam.describe('For the download.'),
  cores: z.int().min(1).max(512).default(2),
  memory: sizeParam('Default 2G.'),
  disk: sizeParam('Default: as the image.'),
  bridge: textParam(15).optional(),
  vlan: z.int().min(1).max(4094).optional(),
  pool: textParam(200).optional(),
  user: textParam(64).optional(),
  password: textParam(256).optional(),
  ssh_keys: keysParam,
  ...addressParams,
  ip: addressParams.ip.describe('Default dhcp; or 192.0.2.10/24.'),
  nameservers: nameserversParam,
  cicustom: textParam(500).optional(),
  wait_seconds: z.int().min(0).max(1800).default(300),
});

type Args = z.output<typeof input>;

const KEYS = [
  ...['vmid', 'name', 'pool', 'ostype', 'cpu', 'cores', 'memory', 'agent', 'scsihw', 'scsi0', 'ide2', 'boot'],
  ...['serial0', 'vga', 'net0', 'ipconfig0', 'ciuser', 'cipassword', 'sshkeys', 'nameserver', 'cicustom'],
];

export const deployCloudImage = defineTool({
  name: 'deploy_cloud_image',
  title: 'Deploy cloud image',
  description:
    'Makes a running VM of a cloud image: downloads, creates, resizes, starts, waits for its agent, gives its addresses. One approval for all.',
  toolset: 'cloudinit',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu', ...KEYS],
    ...DEPLOY_CALLS,
    ...DOWNLOAD_CALLS,
    ...CONTENT_CALLS,
    ...PLACE_CALLS,
    NEXT_ID,
    ...TASK_CALLS,
  ],
  withoutCluster: 'guest',
  input,
  output: z.object({
    ...guestFields,
    image: z.string(),
    status: z
      .enum(['ready', 'no_agent', 'unfinished'])
      .describe('no_agent: it runs, and no agent answered in time.'),
    addresses: z.array(z.string()).optional(),
    done: z.array(z.string()),
    left: z.array(z.string()).optional(),
    task: taskField,
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const { name, vmid } = args;
    const cluster = context.cluster({ cluster: args.cluster, name, vmid }).alone();
    const deployment = await prepared(cluster, args, context);
    const outcome = await deploy(cluster, deployment, args.wait_seconds, context);
    const { guest, image } = deployment;
    const login =
      keysText(args.ssh_keys) === undefined && args.password === undefined && args.cicustom === undefined
        ? 'No SSH key and no password were given: set_cloudinit adds them, and the VM takes them at its next start.'
        : undefined;
    const { note, ...rest } = outcome;
    return { ...selectionOf(cluster), guest, image: image.volid, ...rest, ...noted(image.note, note, login) };
  },
  summary(answer) {
    const { status, image, addresses = [], note, left = [] } = answer;
    const more = note === undefined ? '' : ` ${note}`;
    const label = guestLabel(answer);
    if (status === 'unfinished') return `${label} is not finished; left: ${left.join('; ')}.${more}`;
    const where = addresses.length === 0 ? '' : ` at ${addresses.join(', ')}`;
    const agent = status === 'ready' ? `its agent answers${where}` : 'its agent does not answer yet';
    return `${label} runs from ${quoted(image)}; ${agent}.${more}`;
  },
});

/** All that is read and checked before the first write, and every write. @throws CallError */
async function prepared(cluster: GatedCluster, args: Args, context: ToolContext): Promise<Deployment> {
  const { name, image: source, checksum } = args;
  const bound = isUrl(source) ? undefined : await nodeOfImage(cluster, source, args.node);
  const node = args.node ?? bound ?? (await nodeFor(cluster, undefined));
  const storage = await storageFor(cluster, args.storage, { node, content: 'images' });
  const [image, vmid] = await Promise.all([
    imageFor(cluster, node, { image: source, checksum, storage: args.image_storage }),
    freeVmid(cluster, { vmid: args.vmid, name }),
    placeFor(cluster, { storage, node, content: 'images' }),
  ]);
  context.signal.throwIfAborted();
  const data = { vmid, ...settingsOf(args, storage, image.volid, bridgeFor(cluster, args.bridge)) };
  return {
    guest: { vmid, name, type: 'qemu', node },
    image,
    create: { method: 'POST', path: apiPath`/nodes/${node}/qemu`, data },
    diskBytes: args.disk === undefined ? undefined : sizeOf(args.disk),
  };
}

/** A serial console, as cloud images write there; the drive for cloud-init; the agent. */
function settingsOf(args: Args, storage: string, volid: string, bridge: string): Record<string, unknown> {
  const { ip = 'dhcp', gw, ip6, gw6, vlan } = args;
  const nic = nicOptions([compact({ bridge, vlan })], { type: 'qemu', present: {}, bridge });
  return {
    name: args.name,
    ostype: 'l26',
    cpu: 'x86-64-v2-AES',
    cores: args.cores,
    memory: String(mebibytes(args.memory ?? '2G')),
    agent: 'enabled=1',
    scsihw: 'virtio-scsi-single',
    scsi0: propertyString(`${storage}:0`, { 'import-from': volid, discard: 'on', iothread: true }),
    ide2: `${storage}:cloudinit`,
    boot: 'order=scsi0',
    serial0: 'socket',
    vga: 'serial0',
    ...nic,
    ...addressOptions([compact({ ip, gw, ip6, gw6 })], nic),
    ...compact({
      pool: args.pool,
      ciuser: args.user,
      cipassword: args.password,
      sshkeys: keysText(args.ssh_keys),
      nameserver: args.nameservers?.join(' '),
      cicustom: args.cicustom,
    }),
  };
}
