import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { generate } from 'selfsigned';

export interface Certificate {
  key: string;
  pem: string;
  /** SHA-256, uppercase and colon-separated, as PVE shows it. */
  fingerprint: string;
}

export type WrongCertificate = 'expired' | 'name' | 'changed';

const DAY_MS = 86_400_000;

interface Wanted {
  commonName: string;
  names: Iterable<string>;
  addresses: Iterable<string>;
  issuer?: Certificate;
  /** epoch ms */
  validUntil?: number;
}

/**
 * A self-signed certificate that is its own authority: it serves to pin by fingerprint and as a `ca_file`.
 *
 * @param days in how many it ends, by the machine's clock, as TLS knows no other; 365 where absent
 */
export function makeCertificate(clusterName: string, host: string, days?: number): Promise<Certificate> {
  const until = days === undefined ? {} : { validUntil: Date.now() + days * DAY_MS };
  return make({ commonName: `${clusterName}.simulated`, ...reachedAs(host), ...until });
}

/** A certificate that a client must refuse, whether it knows the authority or the fingerprint of the right one. */
export function makeWrongCertificate(
  wrong: WrongCertificate,
  right: Certificate,
  clusterName: string,
  host: string,
): Promise<Certificate> {
  const commonName = `${clusterName}.simulated`;
  if (wrong === 'changed') return make({ commonName, ...reachedAs(host) });
  if (wrong === 'name') {
    return make({ commonName: 'other.invalid', names: ['other.invalid'], addresses: [], issuer: right });
  }
  return make({ commonName, ...reachedAs(host), issuer: right, validUntil: Date.now() - DAY_MS });
}

function reachedAs(host: string): Pick<Wanted, 'names' | 'addresses'> {
  return {
    addresses: new Set(['127.0.0.1', '::1', ...(isIP(host) ? [host] : [])]),
    names: new Set(['localhost', ...(isIP(host) ? [] : [host])]),
  };
}

async function make({ commonName, names, addresses, issuer, validUntil }: Wanted): Promise<Certificate> {
  const authority = issuer === undefined;
  const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(issuer ? { ca: { key: issuer.key, cert: issuer.pem } } : {}),
    ...(validUntil === undefined
      ? {}
      : { notBeforeDate: new Date(validUntil - 365 * DAY_MS), notAfterDate: new Date(validUntil) }),
    extensions: [
      { name: 'basicConstraints', cA: authority, critical: true },
      {
        name: 'keyUsage',
        digitalSignature: true,
        ...(authority ? { keyCertSign: true } : {}),
        critical: true,
      },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...[...names].map((value) => ({ type: 2 as const, value })),
          ...[...addresses].map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  return { key, pem: cert, fingerprint: new X509Certificate(cert).fingerprint256 };
}
