import { describe, expect, it } from 'vitest';
import { mayBeSuspicious } from '../../../src/observability/first-look.ts';
import { SUSPICIOUS } from '../../../src/observability/secret-patterns.ts';

const HEX = '0123456789ABCDEF'.repeat(3).slice(0, 43);
/** One for each alternative. */
const WORDS =
  'APIToken AuthCookie CSRF authorization bearer basic cookie headers passw passphrase secret token ticket otp tfa api_key apikey client-key private encryption hmac keyring target-endpoint eyJ pmk_ kdf :// $6$ $2y$ PVE: PBSTICKET: PMG%3A PDMABCDEFGHIJ: pveabc: ?key &sig ?auth &access'.split(
    ' ',
  );
const MORE = [`12345678:${HEX}`, `ABCDEF12%3A${HEX}`, `abcdef12:%2B${HEX}`];

/** The same numbers for each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x8000_0000;
  };
}

describe('mayBeSuspicious', () => {
  it.each([...WORDS, ...MORE])('sees %s, in any case and after anything', (word) => {
    for (const text of [word, word.toLowerCase(), word.toUpperCase()]) {
      for (const before of ['', ' ', 'x', '"', 'pve1/', 'é', '\uffff', '😀', 'PV', 'k', 'to']) {
        const line = `{"msg":"${before}${text}"}`;
        if (SUSPICIOUS.test(line)) expect(mayBeSuspicious(line), line).toBe(true);
      }
    }
    expect(SUSPICIOUS.test(word)).toBe(true);
    expect(mayBeSuspicious(word)).toBe(true);
  });

  it('never overlooks what SUSPICIOUS finds, in texts that are made of its pieces', () => {
    const next = random(7);
    const pieces = [...WORDS, ...MORE].flatMap((word) => [word.slice(0, 4), word.slice(-4), word.slice(2)]);
    const letters = Array.from('abkeytopvEYJ:%3A$&?1fF_-./" é');
    const from = (list: readonly string[]) => list[Math.floor(next() * list.length)] ?? '';
    let found = 0;
    for (let round = 0; round < 20_000; round++) {
      const text = Array.from({ length: 4 }, () => from(next() < 0.5 ? pieces : letters)).join('');
      if (!SUSPICIOUS.test(text)) continue;
      found += 1;
      expect(mayBeSuspicious(text), text).toBe(true);
    }
    expect(found).toBeGreaterThan(1000);
  });

  it('sees what stands behind more than it can look at', () => {
    expect(mayBeSuspicious(`${'x'.repeat(20_000)}pmk_`)).toBe(true);
  });

  it('passes the lines of a usual call, which is what it is for', () => {
    const about =
      '{"level":"info","time":"2026-11-22T05:57:33.123Z","request_id":"0b7e8b1e-4c9f-4e0a-9a54-1d2b3c4d5e6f","subject":"alice","tool":"proxmox_api_call","door":"streamable-http"';
    const lines = [
      `${about},"cluster":"tiny","selected_by":"only","msg":"cluster selected"}`,
      `${about},"cluster":"tiny","method":"GET","path":"/nodes/pve1/status","risks":["read"],"parameters":[],"outcome":"ok","endpoint":"127.0.0.1:8006","duration_ms":3,"msg":"proxmox call ended"}`,
      `${about},"outcome":"ok","duration_ms":3,"msg":"tool call"}`,
    ];
    // Letters and digits of any id, also where one of them has the block of a trace, as `t-e` and `4-e` do.
    lines.push(`${about.replace('-4c9f-4e0a-', '-4fa4-ea2f-117-')}"}`);
    expect(lines.filter(mayBeSuspicious)).toEqual([]);
  });
});
