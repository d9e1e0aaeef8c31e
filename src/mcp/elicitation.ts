import type { AskPerson, PersonsAnswer } from '../access/approvals/approvals.ts';
import type { Plan } from '../access/approvals/plan.ts';
import { planText } from '../access/approvals/words.ts';
import type { Progress } from '../tools/define.ts';
import type { ToolResult } from './dispatcher.ts';

/** How long a person may think. */
export const PERSON_MS = 5 * 60_000;
/** A person is not asked more often than this during one call: a guest that keeps changing makes new plans. */
const MOST_QUESTIONS = 3;
/** Clients give up a call on which nothing moves, most of them after a minute. */
const STILL_THERE_MS = 10_000;
const CALLS_SHOWN = 20;

/** What a person said to a plan: valid for the plan of that number alone. */
export interface PersonsDecision {
  plan: number;
  answer: Exclude<PersonsAnswer, 'asked'>;
}

/**
 * Stands between the approvals and a door for the time of one call. A plan is not put to the person within the call:
 * the call ends, the person is asked, and the call is repeated with the decision. So no deadline runs and no place is
 * taken while a person thinks, and both eras work alike.
 */
export class PlanQuestion {
  readonly #decision: PersonsDecision | undefined;
  #open: Plan | undefined;

  constructor(decision: PersonsDecision | undefined) {
    this.#decision = decision;
  }

  readonly ask: AskPerson = (plan) => {
    if (this.#decision?.plan === plan.number) return this.#decision.answer;
    this.#open ??= plan;
    return 'asked';
  };

  /** The plan to ask a person about, now that the call has ended so. */
  openAfter(result: ToolResult): Plan | undefined {
    return result.isError ? this.#open : undefined;
  }
}

/**
 * Makes a call, and where it needs a person's approval asks for it and makes the call again.
 *
 * @param call one try, with a way to ask
 * @param askPerson puts a plan to the person at the client; undefined where the client can't
 */
export async function withPerson(
  call: (ask: AskPerson | undefined) => Promise<ToolResult>,
  askPerson: ((plan: Plan) => Promise<PersonsDecision['answer']>) | undefined,
): Promise<ToolResult> {
  if (askPerson === undefined) return call(undefined);
  let decision: PersonsDecision | undefined;
  for (let questions = 0; ; questions += 1) {
    const question = new PlanQuestion(decision);
    const result = await call(question.ask);
    const plan = question.openAfter(result);
    if (plan === undefined || questions === MOST_QUESTIONS) return result;
    decision = { plan: plan.number, answer: await askPerson(plan) };
  }
}

/** Whether a client declares that it can show a form; one that names no kind can (revision 2025-06-18). */
export function canAskPerson(capabilities: unknown): boolean {
  const { elicitation } = (capabilities ?? {}) as { elicitation?: unknown };
  if (typeof elicitation !== 'object' || elicitation === null) return false;
  return 'form' in elicitation || !('url' in elicitation);
}

/** The form that a person sees. The decision has no default: a client must not approve by just going on. */
export function approvalForm(plan: Plan, now: number) {
  return {
    message: planText(plan, { now, mostCalls: CALLS_SHOWN }),
    requestedSchema: {
      type: 'object' as const,
      properties: {
        decision: {
          type: 'string' as const,
          title: `Decision on plan ${plan.number}`,
          description: 'Choose approve only if you want exactly this to happen.',
          enum: ['approve', 'decline'],
        },
      },
      required: ['decision'],
    },
  };
}

/** Reads what a client sent as a person's answer. Nothing but the plain yes of the form is a yes. */
export function answerOf(response: unknown): PersonsDecision['answer'] {
  const { action, content } = (response ?? {}) as { action?: unknown; content?: unknown };
  if (action === 'decline') return 'declined';
  if (action !== 'accept') return 'undecided';
  const { decision } = (content ?? {}) as { decision?: unknown };
  return decision === 'approve' ? 'approved' : 'declined';
}

/**
 * Waits for a person, and meanwhile tells the client that the call is alive. What goes wrong on the way, a client
 * that goes away among it, is no decision.
 */
export async function awaitPerson(
  ask: () => Promise<unknown>,
  progress: ((update: Progress) => void) | undefined,
): Promise<PersonsDecision['answer']> {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    // Small, because progress has to grow, and that of the call itself comes after it.
    progress?.({ progress: ticks / 1000, message: 'Waiting for a person to decide.' });
  }, STILL_THERE_MS);
  timer.unref();
  try {
    return answerOf(await ask());
  } catch {
    return 'undecided';
  } finally {
    clearInterval(timer);
  }
}
