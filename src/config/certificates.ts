import { X509Certificate } from 'node:crypto';

/**
 * Brings a SHA-256 certificate fingerprint into the form that Node's TLS reports: upper-case pairs joined by colons.
 *
 * @throws Error that says what is wrong, without repeating the text.
 */
export function normaliseFingerprint(text: string): string {
  const digits = text
    .trim()
    .replace(/^(?:sha-?256)[:= ]\s*/i, '')
    .replaceAll(':', '')
    .toUpperCase();
  if (/^[0-9A-F]{40}$/.test(digits))
    throw new Error('is a SHA-1 fingerprint; SHA-256 (64 hex digits) is needed');
  if (!/^[0-9A-F]{64}$/.test(digits)) throw new Error('must be a SHA-256 fingerprint: 64 hex digits');
  return digits.match(/../g)?.join(':') ?? '';
}

/**
 * Checks that a text holds at least one PEM certificate that can be read.
 *
 * @throws Error that says what is wrong.
 */
export function checkedCertificates(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('holds no PEM certificate (-----BEGIN CERTIFICATE-----)');
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      throw new Error('holds a certificate that cannot be read');
    }
  }
  return blocks.join('\n');
}
