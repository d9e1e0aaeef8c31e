import type { Ticket } from './credentials.ts';
import { CallError } from './errors.ts';
import type { WireAnswer } from './exchange.ts';
import { type AnswerContext, answerError, identity } from './pve-errors.ts';
import { parseEnvelope } from './wire.ts';

/**
 * Reads the answer of `POST /access/ticket`.
 *
 * @throws CallError UPSTREAM_AUTH where a second factor is asked for, else as any failed answer.
 */
export function readTicket(answer: WireAnswer, context: AnswerContext): Ticket {
  const data = answer.status === 200 ? parseEnvelope(answer.body)?.data : undefined;
  if (typeof data !== 'object' || data === null) throw answerError(answer, context);
  const { ticket, CSRFPreventionToken, NeedTFA } = data as Record<string, unknown>;
  // The half ticket of a login that waits for its second factor begins so since PVE 7.
  if (NeedTFA || String(ticket).startsWith('PVE:!tfa!')) {
    throw new CallError(
      'UPSTREAM_AUTH',
      `Proxmox VE asks a second factor of ${identity(context.credentials)}.`,
      {
        hint: 'A service can’t give one: configure an API token (token_id, token_secret) instead of the password.',
        status: answer.status,
      },
    );
  }
  if (typeof ticket !== 'string' || typeof CSRFPreventionToken !== 'string') {
    throw new CallError('UPSTREAM_ERROR', 'The answer to the login holds no ticket.', {
      hint: 'Check that `url` of this cluster is a node of Proxmox VE.',
      status: answer.status,
    });
  }
  return { ticket, csrfToken: CSRFPreventionToken };
}
