import { expect, it } from 'vitest';
import { secretsOf } from '../../../src/config/secrets-of.ts';
import { CANARY, fileWith, load } from '../../support/config-folder.ts';

it('finds every secret of a configuration, and nothing else', () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const config = load({
    files: { 'clusters.json': fileWith() },
    env: { MCP_JWT_SECRET: 'j'.repeat(40), CLUSTERS_KEY: key },
    needsAuth: true,
  });
  expect(new Set(secretsOf(config))).toEqual(new Set([CANARY, 'j'.repeat(40), key]));
  expect(secretsOf({ a: 'plain', b: [1, null, undefined] })).toEqual([]);
});
