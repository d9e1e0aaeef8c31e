import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Approvals } from '../../access/approvals/approvals.ts';
import type { Plan } from '../../access/approvals/plan.ts';
import { planLine, planText } from '../../access/approvals/words.ts';
import { hasScope, type Principal } from '../../access/principal.ts';
import type { HttpConfig } from '../../config/config.ts';
import { inRequest } from '../../observability/request-context.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { resourceMetadataUrl } from '../public-url.ts';

export type OnDecision = (plan: Plan, approver: Principal, requestId: string) => Promise<void>;

export interface ApprovalRouteParts {
  approvals: Approvals;
  http: HttpConfig;
  /** Hears of each decision once it stands; must not throw. */
  onDecision?: OnDecision | undefined;
  /** Epoch milliseconds. */
  clock?: () => number;
}

type PlanRoute = { Params: { number: string } };

const DECISIONS = { approve: 'approved', deny: 'denied' } as const;
const STATUS: Partial<Record<CallError['code'], number>> = {
  POLICY_DENIED: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  INVALID_ARGUMENTS: 400,
};

/**
 * Where a person sees the plans that wait and decides on them. The token has to hold `proxmox:approve`, and has to be
 * another one than that which asked: this is not a way for the agent.
 */
export function approvalRoutes(
  app: FastifyInstance,
  { approvals, http, onDecision, clock = Date.now }: ApprovalRouteParts,
): void {
  app.get('/approvals', async (request, reply) => {
    return answered(request, reply, async (approver) => {
      const plans = await approvals.waiting(approver);
      return { plans: plans.map((plan) => shown(plan, clock())), total: plans.length };
    });
  });

  app.get<PlanRoute>('/approvals/:number', async (request, reply) => {
    return answered(request, reply, async (approver) => {
      const plan = await approvals.show(numberOf(request.params.number), approver);
      return { plan: shown(plan, clock()) };
    });
  });

  for (const verb of ['approve', 'deny'] as const) {
    app.post<PlanRoute>(`/approvals/:number/${verb}`, async (request, reply) => {
      return answered(request, reply, async (approver) => {
        const number = numberOf(request.params.number);
        const plan = await approvals.decide(number, approver, DECISIONS[verb], reasonIn(request.body));
        await onDecision?.(plan, approver, request.id);
        return { plan: shown(plan, clock()) };
      });
    });
  }

  async function answered(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (approver: Principal) => object | Promise<object>,
  ) {
    const { principal } = request;
    if (!principal) throw new Error('the approvals were asked for without a principal');
    reply.header('cache-control', 'no-store');
    if (!hasScope(principal, 'proxmox:approve')) return insufficient(request, reply);
    try {
      return reply.send(await inRequest({ requestId: request.id }, () => work(principal)));
    } catch (thrown) {
      const { code, message, hint, retryable } = toCallError(thrown);
      // The Redis of the replicas comes back: that is no defect.
      const status = STATUS[code] ?? (retryable ? 503 : undefined);
      if (status === undefined) throw thrown;
      return reply.code(status).send({ error: code.toLowerCase(), message, hint });
    }
  }

  function insufficient(request: FastifyRequest, reply: FastifyReply) {
    const message = 'The token does not hold proxmox:approve; proxmox:admin does not include it.';
    const challenge = [
      'error="insufficient_scope"',
      `error_description="${message}"`,
      `resource_metadata="${resourceMetadataUrl(http, request)}"`,
      'scope="proxmox:approve"',
    ];
    return reply
      .code(403)
      .header('www-authenticate', `Bearer ${challenge.join(', ')}`)
      .send({ error: 'insufficient_scope', message });
  }
}

/** Numbers of no plan: anything that is not written as one. */
function numberOf(text: string): number {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : 0;
}

function reasonIn(body: unknown): string | undefined {
  if (body === undefined || body === null) return undefined;
  const { reason } = typeof body === 'object' ? (body as { reason?: unknown }) : { reason: body };
  if (reason === undefined || typeof reason === 'string') return reason;
  throw new CallError('INVALID_ARGUMENTS', 'The reason must be a text.', {
    hint: 'Send {"reason":"…"}, or no body.',
  });
}

function shown(plan: Plan, now: number) {
  const { number, kind, tool, cluster, subject, client, calls, facts, state, approver, reason } = plan;
  return {
    number,
    state,
    approval: kind,
    cluster,
    tool,
    asked_by: subject,
    client,
    calls,
    ...facts,
    created_at: new Date(plan.createdAt).toISOString(),
    expires_at: new Date(plan.expiresAt).toISOString(),
    approver,
    reason,
    line: planLine(plan, now),
    text: planText(plan, { now }),
  };
}
