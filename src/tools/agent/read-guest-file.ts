import { z } from 'zod';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { textParam, wholeParam } from '../params.ts';
import { textOf } from '../results.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';
import { bytesOf, shownPart } from './guest-text.ts';

/** Bytes that an answer shows at most; as Base64 it is a third more. */
const MOST_BYTES = 32_768;
const READ = '/nodes/{node}/qemu/{vmid}/agent/file-read';

export const fileParam = textParam(4096);

export const readGuestFile = defineTool({
  name: 'read_guest_file',
  title: 'Read a file in a guest',
  description: 'Reads a file in a VM as root by its agent, in parts; Base64 where it is no text.',
  toolset: 'agent',
  // It only reads, and reads whatever there is: the policy counts it as executing.
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [['GET', READ, 'file', 'count', 'offset', 'decode'], ...AGENT_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    file: fileParam,
    offset: wholeParam(0, Number.MAX_SAFE_INTEGER).optional().describe('Bytes.'),
    max_bytes: wholeParam(1, MOST_BYTES).default(MOST_BYTES),
  }),
  output: z.object({
    ...guestFields,
    file: z.string(),
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']),
    bytes: z.int(),
    total_bytes: z.int().optional(),
    truncated: z.boolean().optional(),
    next_offset: z.int().optional(),
  }),
  async run({ file, offset = 0, max_bytes, ...wanted }, context) {
    const target = await agentTarget(context, wanted);
    const asked = { file, offset, most: max_bytes };
    const { bytes, isMore, total } = await read(target, asked);
    const { bytes: length, ...part } = shownPart(bytes, isMore);
    const goesOn = isMore || length < bytes.length;
    return {
      ...target.fields(),
      file,
      ...part,
      bytes: length,
      ...(total === undefined ? {} : { total_bytes: total }),
      ...(goesOn ? { truncated: true, next_offset: offset + length } : {}),
    };
  },
  summary(answer) {
    const { file, bytes, encoding, next_offset } = answer;
    const more = next_offset === undefined ? '' : `; go on with offset ${next_offset}`;
    return `${guestLabel(answer)}: ${bytes} bytes of ${quoted(file)} (${encoding})${more}.`;
  },
});

interface Asked {
  file: string;
  offset: number;
  most: number;
}

interface Read {
  bytes: Buffer;
  isMore: boolean;
  /** Of the file, where all of it was read. */
  total?: number;
}

/** Since 9.x the agent reads a part, and PVE hands on its bytes as they are; before, it is the whole file as text. */
async function read(target: GuestTarget, { file, offset, most }: Asked): Promise<Read> {
  const path = target.at('agent', 'file-read');
  const parameters = (await target.cluster.catalogue()).get('GET', READ)?.parameters ?? {};
  const inParts = ['count', 'offset', 'decode'].every((name) => Object.hasOwn(parameters, name));
  const data = inParts ? { file, offset, count: most, decode: false } : { file };
  const answer = await askAgent(target, { method: 'GET', path, data });
  const { content, truncated }: Readonly<Record<string, unknown>> = isObject(answer) ? answer : {};
  const text = textOf(content) ?? '';
  if (inParts) return { bytes: Buffer.from(text, 'base64'), isMore: isTrue(truncated) };
  const whole = bytesOf(text);
  const isMore = offset + most < whole.length || isTrue(truncated);
  const total = isTrue(truncated) ? {} : { total: whole.length };
  return { bytes: whole.subarray(offset, offset + most), isMore, ...total };
}
