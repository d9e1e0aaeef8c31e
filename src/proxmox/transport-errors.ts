import { DeadlineExpired } from './deadline.ts';
import { CallError } from './errors.ts';
import { WireFailure } from './exchange.ts';
import { QueueFull } from './limiter.ts';
import { OUTCOME_UNKNOWN } from './pve-errors.ts';
import { ConnectFailure, type ConnectFailureKind } from './tls.ts';

/** One endpoint and why it did not serve a call. */
export interface EndpointFailure {
  /** `host:port` */
  endpoint: string;
  failure: ConnectFailure | WireFailure;
}

/** What is known about a call when it fails on the way. */
export interface CallState {
  isRead: boolean;
  /** Whether the present attempt may have reached the other side. */
  sent: boolean;
  failures: readonly EndpointFailure[];
  deadlineMs: number;
}

/** Says in the operator's words why a call got no answer. Undefined for what is no transport failure. */
export function transportError(thrown: unknown, state: CallState): CallError | undefined {
  if (thrown instanceof QueueFull) {
    return new CallError('RATE_LIMITED', 'Too many calls are waiting for this node already.', {
      hint: 'Wait for some of the calls to end, then repeat.',
      cause: thrown,
    });
  }
  if (thrown instanceof DeadlineExpired) return timeoutError(thrown, state);
  if (thrown instanceof ConnectFailure) return unreachableError(thrown, state);
  if (thrown instanceof WireFailure) return brokenError(thrown, state);
  return undefined;
}

function timeoutError(cause: DeadlineExpired, state: CallState): CallError {
  const seconds = state.deadlineMs / 1000;
  const unknown = state.sent && !state.isRead;
  const outcome = state.sent ? '' : ' The call was not sent.';
  return new CallError(
    'TIMEOUT',
    `Proxmox VE did not answer within ${seconds} s.${unknown ? ` ${OUTCOME_UNKNOWN}` : outcome}`,
    {
      hint: unknown
        ? 'Look at the target’s state and at list_tasks before doing it again.'
        : 'Repeat later, or ask for less at once.',
      retryable: !unknown,
      cause,
    },
  );
}

function unreachableError(cause: ConnectFailure, state: CallState): CallError {
  const reasons = [
    ...new Set(state.failures.map(({ endpoint, failure }) => `${endpoint} ${failure.message}`)),
  ];
  return new CallError('CLUSTER_UNREACHABLE', `The cluster can't be reached: ${reasons.join('; ')}.`, {
    hint: connectHint(cause),
    retryable: cause.kind !== 'certificate' && cause.kind !== 'fingerprint',
    cause,
  });
}

const HINTS: Partial<Record<ConnectFailureKind, string>> = {
  refused: 'Check that pveproxy runs on that node and that `url` has the right port (8006).',
  timeout: 'Check the address and the firewall between this service and the node.',
  name: 'Check the host name in `url` and the name server of this machine.',
  'not-tls': 'Check the port in `url`: Proxmox VE speaks HTTPS on 8006.',
};

function connectHint({ kind, seenFingerprint }: ConnectFailure): string {
  if (kind === 'fingerprint') {
    return 'Compare with the node: pvenode cert info. Set the new `fingerprint` only if the certificate was renewed on purpose.';
  }
  if (kind === 'certificate') {
    const seen = seenFingerprint === undefined ? '' : ` (the one seen is ${seenFingerprint})`;
    return (
      'Set `ca_file` to the cluster’s CA (/etc/pve/pve-root-ca.pem), or pin its `fingerprint` after comparing it with ' +
      `pvenode cert info on the node${seen}.`
    );
  }
  return HINTS[kind] ?? 'Check that the node is up and can be reached from this machine.';
}

function brokenError(cause: WireFailure, state: CallState): CallError {
  const endpoint = state.failures.at(-1)?.endpoint ?? 'the node';
  const unknown = cause.sent && !state.isRead;
  if (cause.kind === 'too-large') {
    return new CallError(
      'UPSTREAM_ERROR',
      `${endpoint} did answer, but ${cause.message}.${unknown ? ` ${OUTCOME_UNKNOWN}` : ''}`,
      { hint: 'Ask for less: add a limit or a filter to the parameters.', retryable: false, cause },
    );
  }
  return new CallError(
    unknown ? 'UPSTREAM_ERROR' : 'CLUSTER_UNREACHABLE',
    `${endpoint} closed the connection before it had answered.${unknown ? ` ${OUTCOME_UNKNOWN}` : ''}`,
    {
      hint: unknown
        ? 'Look at the target’s state and at list_tasks before doing it again.'
        : 'Repeat later; look at the node if it persists.',
      retryable: !unknown,
      cause,
    },
  );
}
