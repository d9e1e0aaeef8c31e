import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { bridgeFor, nodeFor, nodeParam, storageFor, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { NIC_KEY } from '../guest-config.ts';
import { guestLabel, vmidParam } from '../guest-target.ts';
import { clusterParam, formParam, listOf, textParam } from '../params.ts';
import { propertyString } from '../property-string.ts';
import { compact } from '../results.ts';
import { sizeParam } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskSentence, waitParam } from '../task.ts';
import { requireTemplate, TEMPLATE_CALL, templateParam } from './container-template.ts';
import { gibibytes } from './disks.ts';
import { NEXT_ID, newGuestFields, newGuestOutput, vmidFor } from './new-guest.ts';
import { nicOptions, nicsParam } from './nics.ts';
import { newNameParam, setParam, settingOptions, sharedSettings } from './settings.ts';
import { merged } from './words.ts';

const KEYS = [
  ...[
    'vmid',
    'hostname',
    'ostemplate',
    'cores',
    'memory',
    'swap',
    'rootfs',
    'net0',
    'onboot',
    'tags',
    'description',
  ],
  ...[
    'pool',
    'start',
    'unprivileged',
    'features',
    'password',
    'ssh-public-keys',
    'nameserver',
    'searchdomain',
  ],
];

const sshKeyParam = formParam(
  /^(?:ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/=]+(?: [^\r\n]*)?\s*$/,
  'is no public SSH key on one line',
  8192,
);

export const createContainer = defineTool({
  name: 'create_container',
  title: 'Create a container',
  description: 'Creates a container; by default unprivileged, 1 core, 512M, a disk of 8G, DHCP.',
  toolset: 'guests',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/lxc', ...KEYS],
    NEXT_ID,
    TEMPLATE_CALL,
    ['GET', '/cluster/resources'],
    ...TASK_CALLS,
  ],
  withoutCluster: 'guest',
  input: z.strictObject({
    cluster: clusterParam,
    name: newNameParam,
    template: templateParam.describe('Such as local:vztmpl/NAME.tar.zst'),
    vmid: vmidParam.optional(),
    node: nodeParam,
    storage: storageParam,
    disk: sizeParam('Of rootfs'),
    ...sharedSettings,
    nics: nicsParam('As in update_guest.'),
    ssh_keys: listOf(sshKeyParam, 50).optional(),
    password: formParam(/^.{5,}$/s, 'is shorter than 5 characters', 256).optional(),
    unprivileged: z.boolean().optional(),
    pool: textParam(200).optional(),
    start: z.boolean().optional(),
    set: setParam('As in update_guest.'),
    wait_seconds: waitParam,
  }),
  output: newGuestOutput.extend({ started: z.literal(true).optional() }),
  deadlineSeconds: (args) => taskDeadline(args.wait_seconds),
  async run(args, context) {
    const { name, template, password, pool, start, unprivileged = true } = args;
    const cluster = context.cluster({ cluster: args.cluster, name, vmid: args.vmid }).alone();
    const node = await nodeFor(cluster, args.node);
    const storage = await storageFor(cluster, args.storage, { node, content: 'rootdir' });
    const nic = { type: 'lxc' as const, present: {}, bridge: bridgeFor(cluster, undefined) };
    const { set = {} } = args;
    const isNicSet = Object.keys(set).some((key) => NIC_KEY.test(key));
    const rootfs = propertyString(`${storage}:${gibibytes(args.disk ?? '8G')}`, {});
    const said = merged<string | number | boolean>(
      settingOptions('lxc', { ...args, cores: args.cores ?? 1, memory: args.memory ?? '512M' }),
      set.rootfs === undefined || args.disk !== undefined ? { rootfs } : {},
      nicOptions(args.nics ?? (isNicSet ? [] : [{}]), nic),
      compact({ hostname: name, ostemplate: template, password, pool, start, unprivileged }),
      compact({ 'ssh-public-keys': args.ssh_keys?.map((key) => key.trim()).join('\n') }),
    );
    // Without nesting, systemd of today's distributions does not start all that it should.
    const options = { ...(unprivileged ? { features: 'nesting=1' } : {}), ...said };
    const [vmid] = await Promise.all([
      vmidFor(cluster, { vmid: args.vmid, name }),
      requireTemplate(cluster, node, template),
    ]);
    const request = {
      method: 'POST',
      path: apiPath`/nodes/${node}/lxc`,
      data: { ...options, vmid },
    } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return {
      ...newGuestFields(cluster, { vmid, name, type: 'lxc', node }),
      ...(start ? { started: true as const } : {}),
      ...outcome,
    };
  },
  summary(answer) {
    const { guest, started, task } = answer;
    const how = `created on ${quoted(guest.node)}${started ? ' and started' : ''}`;
    return taskSentence(guestLabel(answer), how, task);
  },
});
