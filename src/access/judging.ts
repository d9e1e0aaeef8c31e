import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { isTraced } from '../observability/tracing.ts';
import { toCallError } from '../proxmox/errors.ts';
import type { CallOrigin } from './gate.ts';
import { guestFacts } from './guest-facts.ts';
import { judge, refusal } from './judge.ts';
import { checkName, lateRefusal } from './late-checks.ts';
import type { PassageOptions } from './passage.ts';
import type { Decision } from './policy/policy.ts';
import type { CallRecord, RecordedCall } from './record.ts';
import { shownParameters } from './shown-parameters.ts';
import type { Among, Judged, Passing } from './steps.ts';
import { riskOfRequest } from './verification.ts';

/** Judges calls by the policy in force, and records what is refused. */
export class Judging {
  readonly #options: PassageOptions;
  readonly #record: CallRecord;

  constructor(options: PassageOptions, record: CallRecord) {
    this.#options = options;
    this.#record = record;
  }

  /** @throws CallError POLICY_DENIED or NOT_FOUND, CONFLICT where the guest is another one than expected */
  async judge(passing: Passing, catalogue: Catalogue, among: Among = {}): Promise<Judged> {
    const { bulk, made = passing.made, known } = among;
    const { policy, readOnly } = this.#options;
    const { cluster, origin, request } = passing;
    const { method, data } = request;
    const path = request.path.toString();
    const { risks, reasons } = riskOfRequest(catalogue, request);
    const isNeeded = policy.needsGuest(origin.principal) || request.expectName !== undefined;
    const guests = await guestFacts(cluster, { method, path, data }, isNeeded, origin.signal, {
      made,
      ...(known === undefined ? {} : { known }),
    });
    const asked = { method, path, risks, reasons, guests, parameters: data, bulk };
    const decision = judge(policy, origin, cluster, readOnly, asked);
    const parameters = shownParameters(catalogue, request, this.#options.redaction);
    const recorded = recordedOf(passing, { method, path, parameters, risks }, decision);
    if (!decision.allowed) {
      const error = refusal(decision, cluster.name);
      this.logOf(origin).info(
        { outcome: error.code, cluster: cluster.name, method, path },
        'proxmox call refused',
      );
      await this.#record.refused(recorded, error.code);
      throw error;
    }
    const { expectName } = request;
    if (expectName !== undefined) {
      await this.orRefused(recorded, async () => checkName(cluster.name, expectName, guests));
    }
    const template = isTraced() ? catalogue.match(method, request.path.wire)?.method.path : undefined;
    return { decision, guests, risks, reasons, recorded, template };
  }

  /** Runs a check that comes behind the policy's yes; what it refuses is recorded as refused, too. */
  async orRefused<T>(recorded: RecordedCall, check: () => Promise<T>): Promise<T> {
    try {
      return await check();
    } catch (error) {
      const refused = lateRefusal(recorded, error);
      if (refused !== undefined) await this.#record.refused(refused, toCallError(error).code);
      throw error;
    }
  }

  /** That of the tool call, or one that says as much. */
  logOf({ log, requestId, principal, door, tool }: CallOrigin): Logger {
    if (log !== undefined) return log;
    return this.#options.logger.child({ request_id: requestId, subject: principal.subject, door, tool });
  }
}

/** What the record says of a call: who made it, through what, and why it was let through or not. */
export function recordedOf(
  { cluster, selectedBy, matched, origin }: Omit<Passing, 'request'>,
  { method, path, parameters, risks }: Pick<RecordedCall, 'method' | 'path' | 'parameters' | 'risks'>,
  { allowed, rule }: Decision,
): RecordedCall {
  const { principal, requestId, door, tool, session } = origin;
  const { client } = principal;
  const recorded: RecordedCall = {
    requestId,
    method,
    path,
    parameters,
    risks,
    // A GET that does more than read, such as one that fetches a file of a guest, is as hard to leave unrecorded.
    write: method !== 'GET' || risks.some((risk) => risk !== 'read'),
    subject: principal.subject,
    credential: principal.credential,
    door,
    tool,
    cluster: cluster.name,
    selectedBy,
    decision: allowed ? 'allowed' : 'denied',
    rule,
  };
  if (client !== undefined) recorded.client = client;
  if (session !== undefined) recorded.session = session;
  if (matched !== undefined) recorded.matched = matched;
  return recorded;
}
