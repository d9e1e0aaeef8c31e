/** What is known of one endpoint of a cluster without asking it. */
export interface EndpointState {
  /** `host:port`. */
  endpoint: string;
  /** Whether the last conversation with it went well; undefined before the first. */
  answers: boolean | undefined;
  /** Why it does not answer: completes "host:port …", in words without a secret. */
  problem?: string;
  /** Of the last probe that was answered, from the request to the whole answer, in milliseconds. */
  latencyMs?: number;
  /** When it was last spoken to, in epoch milliseconds. */
  checkedAt?: number;
  /** It failed too often in a row and is asked last. */
  breakerOpen: boolean;
  /** When the certificate it showed ends, in epoch milliseconds. */
  certificateExpiresAt?: number;
}
