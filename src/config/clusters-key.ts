import type { Environment } from './environment.ts';
import { type SealedPlace, SealingKey, sealedKeyId, sealedPlaces } from './sealed.ts';
import type { Secret } from './secret.ts';

/** Opens a sealed text at its place; undefined where a problem with the key itself is recorded already. */
export type OpenSealed = (sealed: string, place: SealedPlace) => Secret | undefined;

/**
 * The key of CLUSTERS_KEY. One that is no key is recorded as a problem.
 *
 * @returns undefined where there is none, or none that can be used
 */
export function readClustersKey(environment: Environment): SealingKey | undefined {
  const text = environment.secret('CLUSTERS_KEY');
  if (text === undefined) return undefined;
  try {
    return SealingKey.parse(text, 'CLUSTERS_KEY');
  } catch (error) {
    environment.problem('CLUSTERS_KEY', error instanceof Error ? error.message : 'is not valid');
    return undefined;
  }
}

/**
 * What opens the sealed secrets of one clusters.json. The key is read here, once: a wrong one is one problem, however
 * many secrets wait for it.
 *
 * @param clusters names of the file's clusters, to recognise a text that was moved from one to another
 * @returns a function that throws, as `SealingKey.open` does, and for a sealed text without any key
 */
export function sealedOpener(environment: Environment, clusters: readonly string[]): OpenSealed {
  const key = readClustersKey(environment);
  const isKeySet = environment.has('CLUSTERS_KEY');
  return (sealed, place) => {
    if (key !== undefined) return key.open(sealed, place, sealedPlaces(clusters));
    if (isKeySet) return undefined;
    throw new Error(
      `is sealed with the key ${sealedKeyId(sealed)}, and CLUSTERS_KEY is not set; ` +
        'set it, or set CLUSTERS_KEY_FILE to the path of the key’s file',
    );
  };
}
