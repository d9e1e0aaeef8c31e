import { createHash, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SealedPlace, SealingKey, sealedKeyId, sealedPlaces } from '../../../src/config/sealed.ts';
import { Secret } from '../../../src/config/secret.ts';
import { CANARY } from '../../support/config-folder.ts';

const PLACE: SealedPlace = { cluster: 'prod', key: 'token_secret' };
const bytes = randomBytes(32);
const key = keyOf(bytes.toString('base64'));

function keyOf(text: string): SealingKey {
  return SealingKey.parse(new Secret(text), 'CLUSTERS_KEY');
}

/** The message of a refusal, which holds nothing of secret and key. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    for (const hidden of [CANARY, bytes.toString('base64'), bytes.toString('hex')]) {
      expect(message).not.toContain(hidden);
    }
    return message;
  }
  throw new Error('it was accepted');
}

describe('a sealed secret', () => {
  test('opens to what was sealed, whatever the text and the names', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(text, fc.string(), fc.constantFrom('token_secret', 'password'), (secret, cluster, name) => {
        const place = { cluster, key: name } as const;
        const sealed = key.seal(new Secret(secret), place);
        expect(sealed).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]+$/);
        expect(key.open(sealed, place).reveal()).toBe(secret);
      }),
    );
  });

  test('names its key by the start of its SHA-256', () => {
    const id = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
    expect([key.id, sealedKeyId(key.seal(new Secret(CANARY), PLACE))]).toEqual([id, id]);
  });

  test('is another text every time, with a nonce of its own', () => {
    const sealed = Array.from({ length: 20_000 }, () => key.seal(new Secret(CANARY), PLACE));
    const payloads = sealed.map((text) => Buffer.from(text.split('.')[2] ?? '', 'base64url'));
    const nonces = new Set(payloads.map((payload) => payload.subarray(0, 12).toString('hex')));
    const ciphers = new Set(payloads.map((payload) => payload.subarray(12, 28).toString('hex')));
    expect([nonces.size, ciphers.size]).toEqual([sealed.length, sealed.length]);
  });

  test('is refused once any character is another, is missing or is added', () => {
    const sealed = key.seal(new Secret(CANARY), PLACE);
    for (let at = 0; at <= sealed.length; at++) {
      const [before, after] = [sealed.slice(0, at), sealed.slice(at)];
      const changed = [...'Aaf0-_.= +'].map((letter) => `${before}${letter}${after.slice(1)}`);
      const added = [`${before}A${after}`, `${before}\n${after}`];
      for (const text of [...changed, before, `${before}${after.slice(1)}`, ...added]) {
        if (text !== sealed) refusal(() => key.open(text, PLACE));
      }
    }
  });

  test('is refused once any bit of its payload is another', () => {
    const [version, id, payload = ''] = key.seal(new Secret(CANARY), PLACE).split('.');
    const original = Buffer.from(payload, 'base64url');
    for (let bit = 0; bit < original.length * 8; bit++) {
      const altered = Buffer.from(original);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = `${version}.${id}.${altered.toString('base64url')}`;
      expect(refusal(() => key.open(text, PLACE))).toMatch(/^was altered or cut/);
    }
  });

  test('does not open at another place, and says where it was taken from', () => {
    const sealed = key.seal(new Secret(CANARY), PLACE);
    const places = [...sealedPlaces(['prod', 'staging'])];
    for (const place of places) {
      if (place.cluster === PLACE.cluster && place.key === PLACE.key) continue;
      expect(refusal(() => key.open(sealed, place, places))).toMatch(
        /^was sealed for cluster "prod", token_secret, and opens nowhere else/,
      );
      expect(refusal(() => key.open(sealed, place))).toContain('a cluster of another name');
    }
  });

  test('does not mix up names that hold what separates them', () => {
    const sealed = key.seal(new Secret(CANARY), { cluster: 'a","token_secret', key: 'password' });
    refusal(() => key.open(sealed, { cluster: 'a', key: 'token_secret' }));
  });

  test('names both keys where it has the wrong one', () => {
    const other = keyOf(randomBytes(32).toString('hex'));
    expect(refusal(() => other.open(key.seal(new Secret(CANARY), PLACE), PLACE))).toContain(
      `was sealed with the key ${key.id}; CLUSTERS_KEY holds ${other.id}.`,
    );
  });

  test('is refused with the wrong key even where its id is made to fit', () => {
    const other = keyOf(randomBytes(32).toString('hex'));
    const forged = key.seal(new Secret(CANARY), PLACE).replace(key.id, other.id);
    expect(refusal(() => other.open(forged, PLACE))).toMatch(/^was altered or cut/);
  });

  test.each([
    ['v2.00000000.AAAA', /^is sealed in the form v2, which this version .* does not know/],
    [CANARY, /^is no sealed text/],
    ['', /^is no sealed text/],
    ['v1', /^is no sealed text/],
    [`v1.0000000G.${'A'.repeat(64)}`, /^is no sealed text/],
    [`v1.00000000.${'A'.repeat(64)}.x`, /^is no sealed text/],
    ['v1.00000000.', /^was cut or altered/],
    [`v1.00000000.${'A'.repeat(36)}`, /^was cut or altered/],
    [`v1.00000000.${'A'.repeat(41)}`, /^was cut or altered/],
  ])('is told from %j', (text, message) => {
    expect(refusal(() => key.open(text, PLACE))).toMatch(message);
  });

  test('is not made of half a character, which would come back as another', () => {
    expect(refusal(() => key.seal(new Secret(`${CANARY}\ud800`), PLACE))).toContain('half a character');
  });
});

describe('a key', () => {
  test.each([
    ['base64', bytes.toString('base64')],
    ['base64 without its padding', bytes.toString('base64').replace('=', '')],
    ['base64url', bytes.toString('base64url')],
    ['base64url with padding', `${bytes.toString('base64url')}=`],
    ['hex', bytes.toString('hex')],
    ['hex in capitals', bytes.toString('hex').toUpperCase()],
    ['with blanks around it', `  ${bytes.toString('base64')}\r\n`],
  ])('may be %s', (_form, text) => {
    expect(
      keyOf(text)
        .open(key.seal(new Secret(CANARY), PLACE), PLACE)
        .reveal(),
    ).toBe(CANARY);
  });

  test('may be any 32 bytes, in each form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (array) => {
        const forms = (['base64', 'base64url', 'hex'] as const).map((form) =>
          Buffer.from(array).toString(form),
        );
        expect(new Set(forms.map((text) => keyOf(text).id)).size).toBe(1);
      }),
    );
  });

  test.each([
    '',
    CANARY,
    randomBytes(31).toString('base64'),
    randomBytes(33).toString('base64'),
    randomBytes(16).toString('hex'),
    `${'A'.repeat(42)}B`,
    `${'A'.repeat(43)}==`,
    `${'A'.repeat(21)} ${'A'.repeat(22)}`,
    `${'0'.repeat(63)}g`,
    '/run/secrets/clusters_key',
  ])('is not %j', (text) => {
    expect(refusal(() => keyOf(text))).toBe(
      'must be 32 bytes as base64, or 64 hex digits; make one with: openssl rand -base64 32',
    );
  });

  test('shows nothing of itself', () => {
    const shown = [inspect(key, { showHidden: true, depth: 9 }), JSON.stringify(key), String(key)].join();
    for (const form of ['base64', 'base64url', 'hex'] as const) {
      expect(shown).not.toContain(bytes.toString(form).slice(0, 12));
    }
  });
});
