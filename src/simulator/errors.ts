/** An answer of the simulated host that is not a success. `message` is one line; PVE adds the newline itself. */
export class ApiError extends Error {
  readonly status: number;
  readonly errors: Record<string, string> | undefined;

  constructor(status: number, message: string, errors?: Record<string, string>) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** PVE answers 500 for nearly every refusal that is neither a parameter nor a permission. */
export function failure(message: string): ApiError {
  return new ApiError(500, message);
}

export function invalidParameters(errors: Record<string, string>): ApiError {
  return new ApiError(400, 'Parameter verification failed.', errors);
}

/** @param what the path and privilege that were missing, as `/vms/100, VM.Audit` */
export function forbidden(what?: string): ApiError {
  return new ApiError(403, what ? `Permission check failed (${what})` : 'Permission check failed');
}
