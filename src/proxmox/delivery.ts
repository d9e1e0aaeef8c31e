import type { Logger } from 'pino';
import { pause } from './deadline.ts';
import type { Ending } from './ending.ts';
import { type WireAnswer, WireFailure, type WireRequest } from './exchange.ts';
import { type NodeLink, nextLink } from './node-link.ts';
import { NODE_STATUSES, PROXY_STATUSES } from './pve-errors.ts';
import { ConnectFailure, type ConnectFailureKind } from './tls.ts';
import type { EndpointFailure } from './transport-errors.ts';

/** One call's way over the endpoints; the engine reads from it what is known when the call fails. */
export interface Delivery {
  readonly signal: Ending;
  /** Whether the request may be sent again after it may have arrived: reads, and the login. */
  readonly repeatable: boolean;
  /** Whether the present attempt may have reached the other side. */
  sent: boolean;
  failures: EndpointFailure[];
  /** Called when a turn has come and before anything is sent; may throw. */
  onTurn(): void;
  /** Called with each answer, before the next call has its turn. */
  onAnswer(answer: WireAnswer): void;
}

export interface DeliveryDeps {
  links: readonly NodeLink[];
  attempts: number;
  random: () => number;
  logger: Logger;
}

const BACKOFF_MS = 100;
/** After these the same endpoint is worth a second try; a wrong name or certificate stays wrong. */
const PASSING: readonly ConnectFailureKind[] = ['refused', 'reset', 'unreachable'];

/**
 * Delivers a request to one of a cluster's endpoints. What is not repeatable leaves at most once: it goes to another
 * endpoint only where connecting failed, which is before its first byte.
 *
 * @returns the last answer, whatever its status, and the endpoint it came from.
 * @throws the last failure, QueueFull, what `onTurn` throws, or the signal's reason.
 */
export async function deliver(
  request: WireRequest,
  delivery: Delivery,
  deps: DeliveryDeps,
): Promise<{ answer: WireAnswer; link: NodeLink }> {
  const tried = new Set<NodeLink>();
  let answered: { answer: WireAnswer; link: NodeLink } | undefined;
  for (let attempt = 1; ; attempt++) {
    const another = nextLink(deps.links, tried);
    const link = another ?? lastLink(deps.links, tried);
    if (another === undefined) await backOff(attempt, delivery.signal, deps.random);
    tried.add(link);
    delivery.sent = false;
    const isLast = attempt >= Math.max(deps.attempts, deps.links.length);
    try {
      const answer = await link.exchange(request, delivery.signal, {
        onTurn: delivery.onTurn,
        onAnswer: delivery.onAnswer,
        onSent: () => {
          delivery.sent = true;
        },
      });
      answered = { answer, link };
      if (isLast || !delivery.repeatable || !isPassing(answer)) return answered;
      deps.logger.debug({ endpoint: link.name, status: answer.status, attempt }, 'asking again');
    } catch (thrown) {
      if (!(thrown instanceof ConnectFailure || thrown instanceof WireFailure)) throw thrown;
      delivery.failures.push({ endpoint: link.name, failure: thrown });
      const untried = deps.links.some((candidate) => !tried.has(candidate));
      if (isLast || !mayGoOn(thrown, delivery.repeatable, untried, link.breaker.isOpen)) {
        // "pve2 did not answer pve1" says more than that the other endpoint is down as well.
        if (answered !== undefined) return answered;
        throw thrown;
      }
      deps.logger.debug({ endpoint: link.name, reason: thrown.message, attempt }, 'asking again');
    }
  }
}

function isPassing(answer: WireAnswer): boolean {
  return NODE_STATUSES.includes(answer.status) || PROXY_STATUSES.includes(answer.status);
}

function mayGoOn(
  failure: ConnectFailure | WireFailure,
  repeatable: boolean,
  untried: boolean,
  isDown: boolean,
): boolean {
  if (failure instanceof ConnectFailure) {
    return untried || (repeatable && !isDown && PASSING.includes(failure.kind));
  }
  return failure.kind === 'broken' && repeatable;
}

/** Where every endpoint was tried: again the one that was tried first, as the configuration prefers it. */
function lastLink(links: readonly NodeLink[], tried: ReadonlySet<NodeLink>): NodeLink {
  const [first] = tried.size > 0 ? tried : links;
  if (first === undefined) throw new Error('a cluster has no endpoint');
  return first;
}

/** Waits 50 to 150 % of 100 ms, 200 ms, 400 ms…, so that callers who failed together do not return together. */
function backOff(attempt: number, signal: Ending, random: () => number): Promise<void> {
  return pause(BACKOFF_MS * 2 ** (attempt - 2) * (0.5 + random()), signal);
}
