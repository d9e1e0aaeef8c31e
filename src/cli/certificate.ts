import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { Endpoint } from '../config/config.ts';

/** What a host shows of itself before anything is said to it. */
export interface ShownCertificate {
  /** SHA-256, upper-case hex pairs joined by colons. */
  fingerprint: string;
  subject: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

const LIMIT_MS = 5_000;

/**
 * Looks at the certificate of an endpoint without trusting it: nothing is sent beyond the TLS handshake.
 *
 * @throws Error when there is no TLS handshake within five seconds
 */
export function fetchCertificate({ host, port }: Endpoint): Promise<ShownCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      // RFC 6066, section 3: server names are host names, never addresses.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: false,
    });
    const timer = setTimeout(() => socket.destroy(new Error('no TLS handshake in time')), LIMIT_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { fingerprint256, subject, valid_to } = socket.getPeerCertificate();
      socket.destroy();
      const name = [subject?.CN].flat()[0] ?? '';
      resolve({ fingerprint: fingerprint256, subject: name, expiresAt: Date.parse(valid_to) });
    });
  });
}
