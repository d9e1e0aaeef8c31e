import { pino } from 'pino';
import { type ApprovalRequest, Approvals } from '../../src/access/approvals/approvals.ts';
import {
  ApprovalRequiredError,
  aboutOf,
  bindingOf,
  type PlanFacts,
} from '../../src/access/approvals/plan.ts';
import type { Principal, Scope } from '../../src/access/principal.ts';
import { openState } from '../../src/access/state.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import type { CallError } from '../../src/proxmox/errors.ts';
import { failureOf } from './engine-fixtures.ts';

export const FACTS: PlanFacts = {
  guests: [{ type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', status: 'running' }],
  lost: ['"web-1" (VM 100) and its disks'],
  dependents: [],
  last_backup: '3 days ago',
  undo: "It can't be undone.",
  warnings: [],
};

export function principal(
  subject: string,
  scopes: Scope[] = ['proxmox:admin'],
  more: Partial<Principal> = {},
) {
  return {
    id: JSON.stringify(['', subject]),
    subject,
    groups: [],
    scopes: new Set<Scope>(scopes),
    credential: `jwt:${subject}`,
    ...more,
  } satisfies Principal;
}

export interface TestApprovals {
  approvals: Approvals;
  /** What was logged, one line each. */
  lines: string[];
  /** Moves the clock by so many seconds. */
  pass(seconds: number): void;
}

/** Approvals over a state file, or over one in memory, with a clock that the test moves. */
export function testApprovals(path?: string): TestApprovals {
  const lines: string[] = [];
  let skew = 0;
  const approvals = new Approvals({
    state: openState(path),
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    redaction: new Redaction(),
    clock: () => Date.now() + skew,
  });
  return {
    approvals,
    lines,
    pass: (seconds) => {
      skew += seconds * 1000;
    },
  };
}

/** A call that destroys VM 100, as the gate would ask for its approval. */
export function asking(changes: Partial<ApprovalRequest> & { parameters?: Record<string, string> } = {}) {
  const { parameters = {}, ...more } = changes;
  const path = '/nodes/pve1/qemu/100';
  return {
    principal: principal('alice'),
    tool: 'proxmox_api_call',
    cluster: 'production',
    kind: 'self',
    calls: [{ method: 'DELETE', path, parameters }],
    about: aboutOf('DELETE', path),
    binding: bindingOf('production', [{ method: 'DELETE', path, parameters }]),
    guestDigest: 'digest-1',
    describe: async () => FACTS,
    signal: new AbortController().signal,
    ...more,
  } satisfies ApprovalRequest;
}

/** The plan of a call that was not let through. */
export async function planOf(work: Promise<unknown>): Promise<ApprovalRequiredError> {
  const error: CallError = await failureOf(work);
  if (error instanceof ApprovalRequiredError) return error;
  throw error;
}

/** The handle that came with a plan. */
export async function handleOf(work: Promise<unknown>): Promise<string> {
  const { plan } = await planOf(work);
  if (plan.handle === undefined) throw new Error('the plan has no handle');
  return plan.handle;
}
