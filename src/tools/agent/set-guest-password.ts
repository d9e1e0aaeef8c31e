import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { switchParam, textParam } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';

/** As crypt(3) writes it: `$6$salt$…`. */
const HASH = /^\$[0-9a-z]{1,10}\$.{8,}$/i;

export const setGuestPassword = defineTool({
  name: 'set_guest_password',
  title: 'Set a password in a guest',
  description: 'Sets the password of a user in a VM by its agent; it is shown and recorded nowhere.',
  toolset: 'agent',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/agent/set-user-password', 'username', 'password', 'crypted'],
    ...AGENT_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    username: textParam(),
    password: textParam(1024).refine((text) => text.length >= 5, 'is shorter than 5 characters'),
    crypted: switchParam().describe('It is a crypt hash.'),
  }),
  output: z.object({ ...guestFields, username: z.string() }),
  async run({ username, password, crypted, ...wanted }, context) {
    if (HASH.test(password) !== crypted) {
      throw unfitting(
        crypted
          ? 'With `crypted` the password has to be a hash such as $6$…: this one would let nobody in.'
          : 'The password is a crypt hash: pass `crypted`, or the hash itself becomes the password.',
      );
    }
    const target = await agentTarget(context, wanted);
    const path = target.at('agent', 'set-user-password');
    const data = { username, password, crypted: crypted || undefined };
    await askAgent(target, { method: 'POST', path, data, expectName: wanted.name });
    return { ...target.fields(), username };
  },
  summary: (answer) => `${guestLabel(answer)}: the password of ${quoted(answer.username)} was set.`,
});
