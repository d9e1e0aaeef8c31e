import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { generate } from 'selfsigned';

export interface Certificate {
  key: string;
  pem: string;
  /** SHA-256, uppercase and colon-separated, as PVE shows it. */
  fingerprint: string;
}

/** A self-signed certificate that is its own authority: it serves to pin by fingerprint and as a `ca_file`. */
export async function makeCertificate(clusterName: string, host: string): Promise<Certificate> {
  const addresses = new Set(['127.0.0.1', '::1', ...(isIP(host) ? [host] : [])]);
  const names = new Set(['localhost', ...(isIP(host) ? [] : [host])]);
  const { private: key, cert } = await generate([{ name: 'commonName', value: `${clusterName}.simulated` }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
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
