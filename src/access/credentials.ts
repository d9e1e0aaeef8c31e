import { ApiKeys } from './api-keys.ts';
import { IssuedTokens } from './issued-tokens.ts';
import { Revocations } from './revocations.ts';
import { SigningKeys } from './signing-keys.ts';
import type { State } from './state.ts';

/** What the state file knows of credentials. */
export interface Credentials {
  keys: SigningKeys;
  issued: IssuedTokens;
  apiKeys: ApiKeys;
  revocations: Revocations;
  /** `State.version`: asked for once for several questions about what a caller has just shown. */
  version(): number;
}

/** @param clock milliseconds since the epoch */
export function openCredentials(state: State, clock: () => number = Date.now): Credentials {
  return {
    keys: new SigningKeys(state, clock),
    issued: new IssuedTokens(state, clock),
    apiKeys: new ApiKeys(state, clock),
    revocations: new Revocations(state, clock),
    version: () => state.version(),
  };
}
