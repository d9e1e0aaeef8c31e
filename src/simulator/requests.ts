import type { Fields, Target } from './wire/request.ts';

/** One request that arrived, answered or not. Credentials never get in: headers are left out, secret values masked. */
export interface RecordedRequest {
  /** epoch ms */
  at: number;
  /** The node whose address was called. */
  node: string;
  method: string;
  /** As on the wire, without the query. */
  path: string;
  query: Fields;
  /** The parameters as PVE sees them: the body, overridden by the query. */
  params: Fields;
  /** Missing as long as nothing was answered, and for ever where a fault swallowed the answer. */
  status?: number;
}

const SECRET = /password|secret|ticket|token|otp|tfa|endpoint|sshkeys|private|csrf/i;

export class RequestRecorder {
  readonly requests: RecordedRequest[] = [];
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  open(node: string, method: string, target: Target): RecordedRequest {
    const query = masked(target.query);
    const record: RecordedRequest = {
      at: this.#clock(),
      node,
      method,
      path: target.wirePath,
      query,
      params: { ...query },
    };
    this.requests.push(record);
    return record;
  }

  addBody(record: RecordedRequest, body: Fields): void {
    record.params = { ...masked(body), ...record.query };
  }
}

function masked(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, SECRET.test(key) ? '[redacted]' : value]),
  );
}
