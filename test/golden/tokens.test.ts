import { describe, expect, it } from 'vitest';
import { tokensOf } from '../../scripts/tool-tokens.ts';
import { DEFAULT_TOOLSETS } from '../../src/config/toolsets.ts';
import { TOOLS } from '../../src/tools/registry.ts';

const ESTATES = {
  'one cluster': { clusters: ['production'], defaultCluster: 'production', isMapped: false },
  'three clusters': {
    clusters: ['production', 'staging', 'disaster-recovery'],
    defaultCluster: 'production',
    isMapped: true,
  },
};

describe.each(Object.entries(ESTATES))('the list of tools, with %s,', (_name, estate) => {
  it('takes less than 8,000 tokens by default', () => {
    const tools = TOOLS.filter(({ toolset }) => DEFAULT_TOOLSETS.includes(toolset));
    expect(tokensOf(tools, estate)).toBeLessThan(8_000);
  });

  it('takes less than 40,000 tokens in all', () => {
    expect(tokensOf(TOOLS, estate)).toBeLessThan(40_000);
  });
});
