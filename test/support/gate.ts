import { type Logger, pino } from 'pino';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { Gate, type GateOptions } from '../../src/access/gate.ts';
import { Jobs } from '../../src/access/jobs/jobs.ts';
import { defaultPolicy, type Policy } from '../../src/access/policy/policy.ts';
import { RunBook } from '../../src/access/runs/runs.ts';
import { ScheduleBook } from '../../src/access/schedules/book.ts';
import { openState } from '../../src/access/state.ts';
import type { Approval } from '../../src/config/policy-schema.ts';
import { Redaction } from '../../src/observability/redaction.ts';

/** The default policy, with one kind of approval for every change, or with none: for tests of what comes after it. */
export function policyWith(changes: Approval): Policy {
  const policy = defaultPolicy();
  const decide = policy.decide.bind(policy);
  return Object.assign(policy, {
    decide: (asked: Parameters<Policy['decide']>[0]) => {
      const value = asked.method === 'GET' ? 'none' : changes;
      return Object.defineProperty(decide(asked), 'approval', { value });
    },
  });
}

export type TestGate = Partial<Omit<GateOptions, 'logger'>>;

/** A gate that lets everything through that a token's scopes allow, without approvals and without a record. */
export function gateFor(logger: Logger = pino({ level: 'silent' }), changes: TestGate = {}): Gate {
  const redaction = changes.redaction ?? new Redaction();
  const state = openState(undefined);
  const { audit } = changes;
  return new Gate({
    readOnly: false,
    policy: policyWith('none'),
    approvals: new Approvals({ state, logger, redaction }),
    // Nobody follows them here: their ends are known where a test asks.
    jobs: new Jobs({ state, clusters: () => [], audit, redaction, logger }),
    runs: new RunBook(state),
    schedules: new ScheduleBook(state),
    redaction,
    logger,
    clock: Date.now,
    ...changes,
  });
}
