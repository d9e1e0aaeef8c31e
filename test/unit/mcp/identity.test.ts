import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { instructionsFor } from '../../../src/mcp/identity.ts';
import { TOOLS } from '../../../src/tools/registry.ts';

describe('the instructions', () => {
  it('are short, and name tools that there are', () => {
    const text = instructionsFor(['production', 'staging', 'disaster-recovery']);
    expect(countTokens(text)).toBeLessThanOrEqual(250);
    const names = new Set(TOOLS.map(({ name }) => name));
    const named = text.match(/\b[a-z]+(?:_[a-z]+)+\b/g) ?? [];
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(names).toContain(name);
  });

  it('name the clusters as long as there are few, in the order of work', () => {
    expect(instructionsFor(['a', 'b'])).toMatch(
      /clusters: a, b\..*Find.*Plan.*Act.*APPROVAL_REQUIRED.*Wait/s,
    );
    for (const many of [[], Array.from({ length: 21 }, (_each, index) => `c${index}`)]) {
      expect(instructionsFor(many)).toMatch(/clusters \(list_clusters names them\)/);
    }
  });
});
