import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence } from '../task.ts';
import { DELETE_CALLS, KINDS, LIST_CALLS, SETTING_KINDS } from './setting-kinds.ts';
import { itemPath, readSettings, requireSetting, shownSetting } from './settings.ts';

const WAIT_SECONDS = 60;

export const deleteSetting = defineTool({
  name: 'delete_setting',
  title: 'Delete a cluster setting',
  description:
    'Deletes one of the kinds of list_settings; shows what it was. An ACME account is deactivated at its authority.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [...DELETE_CALLS, ...LIST_CALLS, ...TASK_CALLS],
  input: z.strictObject({ cluster: clusterParam, kind: z.enum(SETTING_KINDS), name: textParam() }),
  output: z.object({
    ...selectedFields,
    kind: z.enum(SETTING_KINDS),
    was: z.record(z.string(), z.unknown()),
    task: taskField,
  }),
  deadlineSeconds: () => taskDeadline(WAIT_SECONDS),
  async run({ cluster: named, kind, name }, context) {
    const cluster = context.cluster(named).alone();
    const found = requireSetting(cluster, kind, await readSettings(cluster, kind), name);
    const outcome = await runTask(
      cluster,
      { method: 'DELETE', path: itemPath(kind, name) },
      WAIT_SECONDS,
      context,
    );
    return { ...selectionOf(cluster), kind, was: shownSetting(kind, found), ...outcome };
  },
  summary: ({ cluster, kind, was, task }) =>
    taskSentence(`The ${KINDS[kind].noun} ${quoted(String(was.name))} of ${cluster}`, 'deleted', task),
});
