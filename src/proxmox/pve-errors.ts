import type { ClusterCredentials } from '../config/config.ts';
import type { ApiPath } from './api-path.ts';
import type { HttpMethod } from './call.ts';
import { CallError, type ErrorCode } from './errors.ts';
import type { WireAnswer } from './exchange.ts';
import { fittingRole } from './privileges.ts';
import { cleanText, redact } from './text.ts';
import { describeForeign, type Envelope, parseEnvelope, pveMessage } from './wire.ts';

/** Where a failed answer belongs. */
export interface AnswerContext {
  method: HttpMethod;
  path: ApiPath;
  /** `host:port` that answered. */
  endpoint: string;
  credentials: ClusterCredentials;
  /** What must not stand in any text. */
  secrets: readonly string[];
}

/** Said of a write whose answer does not tell whether PVE carried it out. */
export const OUTCOME_UNKNOWN = 'The call may or may not have been carried out; look before repeating it.';

/** What a proxy in front answers when PVE does not; pveproxy itself never does. */
export const PROXY_STATUSES: readonly number[] = [502, 503, 504];
/** pveproxy could not reach the node that the path names: connect failed, TLS or 30 s time-out, other. */
export const NODE_STATUSES: readonly number[] = [595, 596, 599];

/**
 * Says what an answer other than a 2xx envelope means. PVE answers 500 to nearly everything, so its text decides
 * (facts/proxmox.md, "Wire").
 */
export function answerError(answer: WireAnswer, context: AnswerContext): CallError {
  const envelope = parseEnvelope(answer.body);
  const message = pveMessage(answer, envelope, context.secrets);
  if (NODE_STATUSES.includes(answer.status)) return nodeError(answer.status, context);
  const byProxy = envelope === undefined && PROXY_STATUSES.includes(answer.status);
  if (message === undefined || byProxy || answer.status < 400) return foreignError(answer, context);
  const failed = new FailedAnswer(answer.status, cleanText(message), context);
  if (answer.status === 400) return parameterError(failed, envelope);
  if (answer.status === 401)
    return failed.error('PERMISSION_DENIED', 'Check the password in the parameters.');
  if (answer.status === 403) return permissionError(failed);
  if (answer.status === 404) return failed.error('NOT_FOUND', NOT_FOUND_HINT);
  if (answer.status === 501) return unknownMethodError(failed);
  return stateError(failed);
}

/** A failed answer with PVE's message made fit to be shown. */
class FailedAnswer {
  readonly status: number;
  readonly message: string;
  readonly context: AnswerContext;

  constructor(status: number, message: string, context: AnswerContext) {
    this.status = status;
    this.message = message === '' ? `HTTP ${status} without a message` : message;
    this.context = context;
  }

  error(code: ErrorCode, hint: string, options: { message?: string; retryable?: boolean } = {}): CallError {
    const message = options.message ?? `Proxmox VE answered: ${this.message}`;
    return new CallError(code, message, {
      hint,
      status: this.status,
      ...(options.retryable === undefined ? {} : { retryable: options.retryable }),
    });
  }
}

const NOT_FOUND_HINT = 'Check the identifiers in the path; list the collection to see what exists.';

function parameterError(failed: FailedAnswer, envelope: Envelope | undefined): CallError {
  const shown = (text: string): string => cleanText(redact(text, failed.context.secrets));
  const errors = Object.entries(envelope?.errors ?? {}).map(
    ([name, text]) => `${shown(name)}: ${shown(text)}`,
  );
  if (errors.some((text) => /no such task/i.test(text)) || /no such task/i.test(failed.message)) {
    return failed.error('NOT_FOUND', 'Check the UPID, and ask on the node that its second field names.', {
      message: 'Proxmox VE knows no such task.',
    });
  }
  const list = errors.length === 0 ? failed.message : errors.slice(0, 20).join('; ');
  return failed.error('INVALID_ARGUMENTS', 'Correct the named parameters; nothing was carried out.', {
    message: `Proxmox VE refused the parameters: ${list}`,
  });
}

function permissionError(failed: FailedAnswer): CallError {
  const { credentials, path } = failed.context;
  if (/need proper ticket/i.test(failed.message)) {
    return failed.error(
      'PERMISSION_DENIED',
      'Proxmox VE offers this call to a login with a password only, never to an API token; use another call.',
      { message: `${path} is not available with an API token.` },
    );
  }
  if (/user != root@pam/.test(failed.message)) {
    return failed.error(
      'PERMISSION_DENIED',
      'No privilege and no API token suffice: do it on a node, or have the cluster set up with the password of root@pam.',
      { message: `Proxmox VE lets root@pam alone do this: ${path}.` },
    );
  }
  const match = /Permission check failed \((?<object>\/[^,)]*), *(?<privileges>[^)]+)\)/i.exec(
    failed.message,
  );
  const object = match?.groups?.object;
  const privileges = match?.groups?.privileges?.split(/[|,]/).map((name) => name.trim());
  if (object === undefined || privileges === undefined) {
    return failed.error(
      'PERMISSION_DENIED',
      `See what ${identity(credentials)} may do: pveum ${permissionsCommand(credentials)}`,
    );
  }
  const message = `${identity(credentials)} lacks ${privileges.join(' or ')} on ${object}.`;
  return failed.error('PERMISSION_DENIED', grantHint(object, privileges[0] ?? '', credentials), { message });
}

/** The `pveum` lines that grant a privilege. PVE's names hold no quote; what else stands there is quoted away. */
function grantHint(object: string, privilege: string, credentials: ClusterCredentials): string {
  const role = fittingRole(privilege);
  const line = (who: string) => `pveum acl modify ${quoted(object)} ${who} --roles ${role}`;
  const user = line(`--users ${quoted(credentials.user)}`);
  if (credentials.kind === 'password') return `Grant it on a node of the cluster: ${user}`;
  const token = line(`--tokens ${quoted(`${credentials.user}!${credentials.tokenId}`)}`);
  return (
    `Grant it on a node of the cluster: ${token} — a token with privilege separation has only what its user has too, ` +
    `so where the user lacks it as well: ${user}`
  );
}

function quoted(text: string): string {
  return /^[\w/.-]+$/.test(text) ? text : `'${text.replaceAll("'", '')}'`;
}

function permissionsCommand(credentials: ClusterCredentials): string {
  return credentials.kind === 'token'
    ? `user token permissions ${quoted(credentials.user)} ${quoted(credentials.tokenId)}`
    : `user permissions ${quoted(credentials.user)}`;
}

/** How the service is known to the cluster: `the API token user@realm!name`. */
export function identity(credentials: ClusterCredentials): string {
  return credentials.kind === 'token'
    ? `the API token ${credentials.user}!${credentials.tokenId}`
    : `the user ${credentials.user}`;
}

function unknownMethodError(failed: FailedAnswer): CallError {
  const { method, path } = failed.context;
  if (!/not implemented/i.test(failed.message)) return stateError(failed);
  return failed.error(
    'NOT_FOUND',
    'Check the path and the method against the API of this cluster’s version.',
    {
      message: `There is no such API method: ${method} ${path}`,
    },
  );
}

type Rule = readonly [pattern: RegExp, code: ErrorCode, hint: string, retryable?: boolean];

/** PVE's texts for states that a caller can act on; the first match counts. */
const RULES: readonly Rule[] = [
  [
    /\b(?:VM|CT) is locked \(/i,
    'CONFLICT',
    'Wait for the task that holds the lock (list_tasks), then repeat.',
    true,
  ],
  [/can't lock file/i, 'CONFLICT', 'Another task holds this lock; wait for it to end, then repeat.', true],
  [
    // The second is what QEMU's side says, spelt so.
    /detected modified configuration|checksum missmatch/i,
    'CONFLICT',
    'Somebody changed it meanwhile: read it again and repeat with the new digest.',
    false,
  ],
  [
    /already (?:exists|running|used|in use)|\bin use\b|is running\b/i,
    'CONFLICT',
    'Look at its present state; it may already be as wanted.',
    false,
  ],
  [
    /hostname lookup '.*' failed/i,
    'NOT_FOUND',
    'The cluster knows no such node; list_nodes names those that exist.',
  ],
  [/does not exist|\bno such\b|unable to find/i, 'NOT_FOUND', NOT_FOUND_HINT],
  [
    /no quorum/i,
    'UPSTREAM_ERROR',
    'Nothing can be changed until enough nodes are back (pvecm status on one of them); reading goes on.',
    true,
  ],
  [
    /guest agent/i,
    'UPSTREAM_ERROR',
    'Start the guest, enable its agent in the configuration, install it in the guest.',
  ],
];

function stateError(failed: FailedAnswer): CallError {
  const rule = RULES.find(([pattern]) => pattern.test(failed.message));
  if (rule !== undefined) {
    const [, code, hint, retryable] = rule;
    return failed.error(code, hint, retryable === undefined ? {} : { retryable });
  }
  return failed.error('UPSTREAM_ERROR', 'Read the message; the task log or the node’s journal may say more.');
}

function nodeError(status: number, context: AnswerContext): CallError {
  const [first, node] = context.path.segments;
  const subject = first === 'nodes' && node !== undefined ? `Node ${node}` : 'The node that this call is for';
  const isRead = context.method === 'GET';
  // 595 is raised while connecting: the other node has seen nothing of the call.
  const outcome = isRead ? '' : status === 595 ? ' Nothing was carried out.' : ` ${OUTCOME_UNKNOWN}`;
  return new CallError(
    'UPSTREAM_ERROR',
    `${subject} did not answer ${context.endpoint} (${status}).${outcome}`,
    {
      hint: 'Check with list_nodes whether that node is online; other nodes are not affected.',
      status,
      retryable: isRead || status === 595,
    },
  );
}

/** The answer does not come from PVE: a proxy in front, or another service on that port. Its text is not shown. */
function foreignError(answer: WireAnswer, context: AnswerContext): CallError {
  const outcome = context.method === 'GET' ? '' : ` ${OUTCOME_UNKNOWN}`;
  const status = answer.status >= 400 ? `HTTP ${answer.status}, ` : '';
  const what = `${context.endpoint} answered ${status}${describeForeign(answer)}: is this the right port?${outcome}`;
  return new CallError('UPSTREAM_ERROR', what, {
    hint: 'Check `url` of this cluster: it must be a node of Proxmox VE (port 8006), or a proxy that reaches one.',
    status: answer.status,
    retryable: context.method === 'GET' && PROXY_STATUSES.includes(answer.status),
  });
}
