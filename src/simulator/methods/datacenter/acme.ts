import { served } from '../declare.ts';
import type { Call, Method } from '../method.ts';

const DIRECTORIES = [
  { name: "Let's Encrypt V2", url: 'https://acme-v02.api.letsencrypt.org/directory' },
  { name: "Let's Encrypt V2 Staging", url: 'https://acme-staging-v02.api.letsencrypt.org/directory' },
];
const TERMS = 'https://letsencrypt.org/documents/LE-SA-v1.5-February-24-2025.pdf';

/** Plugins are listed by another name than they are made with. */
function plugins({ state }: Call): unknown {
  return state.collections.list('/cluster/acme/plugins').map(([plugin, item]) => ({ plugin, ...item }));
}

export const acmeMethods: Method[] = [
  served('GET', '/cluster/acme/directories', () => DIRECTORIES),
  served('GET', '/cluster/acme/tos', () => TERMS),
  served('GET', '/cluster/acme/meta', () => ({ termsOfService: TERMS, website: 'https://letsencrypt.org' })),
  served('GET', '/cluster/acme/plugins', plugins),
];
