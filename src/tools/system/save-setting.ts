import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence } from '../task.ts';
import { KINDS, LIST_CALLS, SAVE_CALLS, SETTING_KINDS } from './setting-kinds.ts';
import { collectionPath, itemPath, readSettings, type Setting, shownSetting } from './settings.ts';
import { written } from './written.ts';

/** A certificate authority answers in seconds. */
const WAIT_SECONDS = 60;

const input = z.strictObject({
  cluster: clusterParam,
  kind: z.enum(SETTING_KINDS),
  name: textParam(),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      "By Proxmox' names. acme_account: contact, directory, tos_url; acme_plugin: type, api, data as {KEY: value}; gotify: server, token; sendmail: mailto; smtp: server, from-address, mailto; webhook: url, method, secret as [{name, value}]; matcher: target, match-severity; metric_server: type, server, port; mappings: map, as [{node, path, id}].",
    ),
  remove: z.array(textParam()).max(50).optional().describe('Options to reset.'),
});

type Args = z.output<typeof input>;

export const saveSetting = defineTool({
  name: 'save_setting',
  title: 'Create or change a cluster setting',
  description: 'Creates one of the kinds of list_settings, or changes the options that are given.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [...SAVE_CALLS, ...LIST_CALLS, ...TASK_CALLS],
  input,
  output: z.object({
    ...selectedFields,
    kind: z.enum(SETTING_KINDS),
    created: z.boolean(),
    setting: z.record(z.string(), z.unknown()).optional(),
    task: taskField,
  }),
  deadlineSeconds: () => taskDeadline(WAIT_SECONDS),
  async run(args, context) {
    const { kind, name } = args;
    const cluster = context.cluster(args.cluster).alone();
    const present = (await readSettings(cluster, kind)).find((one) => one.name === name);
    const outcome = await runTask(cluster, requestOf(cluster, args, present), WAIT_SECONDS, context);
    const after = await readSettings(cluster, kind).catch(() => []);
    const setting = after.find((one) => one.name === name);
    return {
      ...selectionOf(cluster),
      kind,
      created: present === undefined,
      ...(setting === undefined ? {} : { setting: shownSetting(kind, setting) }),
      ...outcome,
    };
  },
  summary({ cluster, kind, created, setting, task }) {
    const name = typeof setting?.name === 'string' ? ` ${quoted(setting.name)}` : '';
    return taskSentence(
      `The ${KINDS[kind].noun}${name} of ${cluster}`,
      created ? 'created' : 'changed',
      task,
    );
  },
});

function requestOf(cluster: GatedCluster, args: Args, present: Setting | undefined): GateRequest {
  const { kind, name, remove = [] } = args;
  const options = written(args.options);
  const { key, createdAt, removal, repeated = [] } = KINDS[kind];
  if (present === undefined) {
    if (remove.length > 0) throw nothingToReset(cluster, args);
    return createdAt === 'item'
      ? { method: 'POST', path: itemPath(kind, name), data: options }
      : { method: 'POST', path: collectionPath(kind), data: { ...options, [key]: name } };
  }
  if (removal === 'none' && remove.length > 0) throw nothingToReset(cluster, args);
  const again = Object.fromEntries(repeated.map((option) => [option, present.options[option]]));
  const gone = remove.length === 0 ? undefined : removal === 'array' ? remove : remove.join(',');
  return { method: 'PUT', path: itemPath(kind, name), data: { ...again, ...options, delete: gone } };
}

function nothingToReset(cluster: GatedCluster, { kind, name }: Args) {
  return refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `The ${KINDS[kind].noun} ${quoted(name)} has no options to reset.`,
    'Leave `remove` out.',
  );
}
