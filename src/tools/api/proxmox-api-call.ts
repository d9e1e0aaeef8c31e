import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { parseApiPath } from '../../proxmox/api-path.ts';
import { HTTP_METHODS, type ProxmoxReply } from '../../proxmox/call.ts';
import { CallError } from '../../proxmox/errors.ts';
import { isUpid } from '../../proxmox/upid.ts';
import { bound } from '../bounded.ts';
import { defineTool } from '../define.ts';
import { clusterParam, fieldsParam, selectedFields, selectionOf, textParam, whySelected } from '../params.ts';
import { fieldsNowhere, rowsOf } from '../results.ts';
import { filledPath, targetOf } from './call-target.ts';

const truncation = z.object({
  reason: z.string(),
  returned: z.int(),
  total: z.int(),
  unit: z.enum(['rows', 'fields', 'characters']),
  next_offset: z.int().optional(),
  omitted_fields: z.array(z.string()).optional(),
  how_to_get_the_rest: z.string(),
});

/** No method of the API takes as many, its numbered ones counted. */
const MOST_PARAMETERS = 500;

export const proxmoxApiCall = defineTool({
  name: 'proxmox_api_call',
  title: 'Call API',
  description:
    'Calls any API method: `path` such as /nodes/pve1/qemu/100/status/start, parameters in `data`. Long work gives a task for wait_task.',
  toolset: 'api',
  isAlwaysOn: true,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [],
  withoutCluster: 'guest',
  input: z.strictObject({
    cluster: clusterParam,
    path: textParam(4096),
    method: z.enum(HTTP_METHODS).default('GET'),
    data: z
      .record(z.string(), z.unknown())
      .refine(
        (data) => Object.keys(data).length <= MOST_PARAMETERS,
        `holds more than ${MOST_PARAMETERS} parameters`,
      )
      .optional(),
    expect_name: textParam().optional().describe('The guest’s.'),
    snapshot_first: textParam(40).optional().describe('Its name.'),
    fields: fieldsParam,
    offset: z.int().min(0).optional(),
    limit: z.int().min(1).optional(),
  }),
  output: z.object({
    ...selectedFields,
    method: z.enum(HTTP_METHODS),
    path: z.string(),
    data: z.unknown(),
    total: z.int().optional().describe('Length of the whole list, where Proxmox says so.'),
    truncated: truncation.optional(),
    note: z.string().optional(),
    task: z.object({ upid: z.string(), cluster: z.string(), status: z.string() }).optional(),
  }),
  deadlineSeconds: ({ snapshot_first }) => (snapshot_first === undefined ? undefined : 300),
  async run(args, context) {
    const { method } = args;
    if (method !== 'GET' && (args.offset !== undefined || args.limit !== undefined))
      throw partOfAWrite(method);
    const asked = parseApiPath(args.path);
    const cluster = context.cluster({ cluster: args.cluster, ...targetOf(asked, method, args.data) });
    const { path, note: filled } = await filledPath(asked, method, cluster);
    const { expect_name: expectName, snapshot_first: snapshotFirst } = args;
    const request = { method, path, data: args.data, expectName, snapshotFirst };
    const reply = await cluster.request(request).catch((error: unknown) => {
      throw saidWhere(error, cluster);
    });
    const note = noteOn(reply, args.fields, filled);
    const started = method !== 'GET' && typeof reply.data === 'string' && isUpid(reply.data);
    return {
      ...selectionOf(cluster),
      method,
      path: path.toString(),
      ...bound(reply.data, args),
      ...(reply.total === undefined ? {} : { total: reply.total }),
      ...(note === undefined ? {} : { note }),
      ...(started ? { task: { upid: String(reply.data), cluster: cluster.name, status: 'running' } } : {}),
    };
  },
  summary({ cluster, method, path, truncated, note, task }) {
    if (task) return `${method} ${path} on ${cluster} started a task; follow it with wait_task.`;
    const part = truncated
      ? ` The answer is a part: ${truncated.returned} of ${truncated.total} ${truncated.unit}.`
      : '';
    return `${method} ${path} on ${cluster} succeeded.${part}${note ? ` ${note}` : ''}`;
  },
});

/** What a reader would otherwise miss: a list that Proxmox itself cut, a field that is nowhere. */
function noteOn(
  { data, total }: ProxmoxReply,
  fields: readonly string[] | undefined,
  filled: string | undefined,
): string | undefined {
  const cut = Array.isArray(data) && total !== undefined && total > data.length;
  const page = cut
    ? `Proxmox gave ${data.length} of ${total} rows: pass \`start\` and \`limit\` in \`data\` for the others.`
    : undefined;
  const rows = Array.isArray(data) ? rowsOf(data) : isObject(data) ? [data] : [];
  const notes = [filled, page, fieldsNowhere(rows, fields)].filter((sentence) => sentence !== undefined);
  return notes.length === 0 ? undefined : notes.join(' ');
}

/** What is not in this cluster may be in another: where a rule chose it, the caller has to know. */
function saidWhere(error: unknown, cluster: GatedCluster): unknown {
  const why = whySelected(cluster);
  if (!(error instanceof CallError) || error.code !== 'NOT_FOUND' || why === '') return error;
  const { code, message, hint, status, retryable, cause } = error;
  return new CallError(code, message, {
    hint: `${hint} ${cluster.name} was asked.${why} Pass \`cluster\` if another one is meant.`,
    cluster: cluster.name,
    ...(status === undefined ? {} : { status }),
    retryable,
    cause,
  });
}

function partOfAWrite(method: string): CallError {
  return new CallError(
    'INVALID_ARGUMENTS',
    `offset and limit go with GET, not with ${method}; nothing was sent.`,
    {
      hint: 'Leave them out. A parameter of the API method itself belongs into `data`.',
    },
  );
}
