/**
 * The closed table of codes that a tool may answer with (DESIGN.md, "Errors"). `retryable` is the default for
 * the code; it says that the same call may succeed later without anything being changed.
 */
const ERROR_CODES = {
  CLUSTER_NOT_FOUND: { retryable: false },
  CLUSTER_AMBIGUOUS: { retryable: false },
  CLUSTER_UNREACHABLE: { retryable: true },
  INVALID_ARGUMENTS: { retryable: false },
  INVALID_PATH: { retryable: false },
  NOT_FOUND: { retryable: false },
  PERMISSION_DENIED: { retryable: false },
  POLICY_DENIED: { retryable: false },
  APPROVAL_REQUIRED: { retryable: false },
  CONFLICT: { retryable: true },
  TASK_FAILED: { retryable: false },
  TIMEOUT: { retryable: true },
  UPSTREAM_AUTH: { retryable: false },
  UPSTREAM_ERROR: { retryable: false },
  RATE_LIMITED: { retryable: true },
  INTERNAL: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** All of them, for what asks by code. */
export const ERROR_CODE_NAMES: readonly string[] = Object.keys(ERROR_CODES);

export interface CallErrorDetails {
  /** What the user should do next; always given, in the imperative. */
  hint: string;
  cluster?: string;
  /** HTTP status of the upstream answer, where there was one. */
  status?: number;
  retryable?: boolean;
  /** When there may be room again; whole seconds. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** The body of an error result: what the model and the user read. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  cluster?: string;
  status?: number;
  hint: string;
  retryable: boolean;
  retry_after_seconds?: number;
}

/**
 * The one error class of the service. `message` and `hint` are for the user; `cause` is for the operator's log and
 * never leaves in an answer.
 */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly cluster: string | undefined;
  readonly status: number | undefined;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: CallErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.cluster = details.cluster;
    this.status = details.status;
    this.retryable = details.retryable ?? ERROR_CODES[code].retryable;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  /** The same error in other words. */
  reworded(change: (text: string) => string): CallError {
    const { code, cluster, status, retryable, cause } = this;
    return new CallError(code, change(this.message), {
      hint: change(this.hint),
      retryable,
      ...(cluster === undefined ? {} : { cluster }),
      ...(status === undefined ? {} : { status }),
      ...(cause === undefined ? {} : { cause }),
    });
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.cluster === undefined ? {} : { cluster: this.cluster }),
      ...(this.status === undefined ? {} : { status: this.status }),
      hint: this.hint,
      retryable: this.retryable,
      ...(this.retryAfterSeconds === undefined ? {} : { retry_after_seconds: this.retryAfterSeconds }),
    };
  }
}

/**
 * Turns whatever was thrown into a CallError. An unknown throw becomes INTERNAL with a fixed text, so that no
 * library's message, which may carry a path or a header, reaches the user.
 */
export function toCallError(thrown: unknown): CallError {
  if (thrown instanceof CallError) return thrown;
  return new CallError('INTERNAL', 'The server failed while handling this call.', {
    hint: 'Look at the server log for the cause; report it if it persists.',
    cause: thrown,
  });
}
