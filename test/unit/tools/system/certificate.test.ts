import { describe, expect, it } from 'vitest';
import { makeCertificate } from '../../../../src/simulator/certificate.ts';
import { requireServable, shownCertificate } from '../../../../src/tools/system/certificate.ts';

const DAY_MS = 86_400_000;

describe('a certificate that is to be served', () => {
  it('is valid now, and fits its key', async () => {
    const [own, other] = await Promise.all([
      makeCertificate('production', 'a1.example.com'),
      makeCertificate('production', 'a1.example.com'),
    ]);
    const now = Date.now();
    const refusal =
      (pem: string, key: string | undefined, at = now) =>
      () =>
        requireServable(pem, key, at);
    expect(refusal(own.pem, own.key)).not.toThrow();
    expect(refusal(own.pem, undefined)).not.toThrow();
    // A chain begins with the server's.
    expect(refusal(`${own.pem}\n${other.pem}`, own.key)).not.toThrow();
    expect(refusal(`${other.pem}\n${own.pem}`, own.key)).toThrow('not the key');
    expect(refusal(own.pem, other.key)).toThrow('not the key');
    expect(refusal(own.pem, 'c4n4ry')).toThrow(/no PEM private key/);
    expect(refusal(own.pem, 'c4n4ry')).not.toThrow(/c4n4ry/);
    expect(refusal('nonsense', undefined)).toThrow('no PEM certificate');
    expect(refusal(own.pem, own.key, now + 400 * DAY_MS)).toThrow('It expired');
    expect(refusal(own.pem, own.key, now - 400 * DAY_MS)).toThrow('It is valid from');
  });

  it('is shown without its PEM, with the days that are left', () => {
    const row = { filename: 'pveproxy-ssl.pem', notafter: 10 * 86_400, pem: 'BEGIN', san: ['a1'] };
    expect(shownCertificate('a1', row, 8.5 * DAY_MS)).toEqual({
      node: 'a1',
      file: 'pveproxy-ssl.pem',
      names: ['a1'],
      expires_at: '1970-01-11T00:00:00.000Z',
      days_left: 1,
    });
  });
});
