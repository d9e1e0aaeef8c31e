import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { unfitting } from '../refusals.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';
import { fileParam } from './read-guest-file.ts';

/** PVE's limit of `content`, in characters as they are sent. */
const MOST_SENT = 61_440;

export const writeGuestFile = defineTool({
  name: 'write_guest_file',
  title: 'Write a file in a guest',
  description:
    'Writes a file in a VM as root by its agent, in place of what it holds; up to 60 KiB, 45 if not ASCII.',
  toolset: 'agent',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/agent/file-write', 'file', 'content', 'encode'],
    ...AGENT_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    file: fileParam,
    content: z.string(),
    encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
  }),
  output: z.object({ ...guestFields, file: z.string(), bytes: z.int() }),
  async run({ file, content, encoding, ...wanted }, context) {
    const sent = sentAs(content, encoding);
    const target = await agentTarget(context, wanted);
    const path = target.at('agent', 'file-write');
    const data = { file, content: sent.content, encode: sent.encode };
    await askAgent(target, { method: 'POST', path, data, expectName: wanted.name });
    return { ...target.fields(), file, bytes: sent.bytes };
  },
  summary: (answer) => `${guestLabel(answer)}: ${answer.bytes} bytes were written to ${quoted(answer.file)}.`,
});

/**
 * Plain text is left for PVE to encode; its encoder dies of wide characters, so that other text goes encoded.
 *
 * @throws CallError INVALID_ARGUMENTS for what is no Base64, or too long
 */
function sentAs(content: string, encoding: 'utf-8' | 'base64') {
  const isBase64 = encoding === 'base64';
  if (isBase64 && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(content)) {
    throw unfitting('content: is no Base64.');
  }
  const isPlain = !isBase64 && /^[\t\n\r\x20-\x7e]*$/.test(content);
  const bytes = Buffer.from(content, isBase64 ? 'base64' : 'utf8');
  const sent = isPlain ? content : bytes.toString('base64');
  if (sent.length > MOST_SENT) {
    throw unfitting(
      `content: is ${bytes.length} bytes, more than Proxmox passes to an agent at once; write it in parts with run_in_guest.`,
    );
  }
  return { content: sent, encode: isPlain ? undefined : false, bytes: bytes.length };
}
