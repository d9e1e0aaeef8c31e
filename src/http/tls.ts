import type { Server } from 'node:http';
import { type SecureContextOptions, Server as TlsServer } from 'node:tls';
import type { TlsConfig } from '../config/config.ts';

/** What handshakes are made with. RFC 8996 has done away with what was before TLS 1.2. */
export function secureContext({ cert, key }: TlsConfig): SecureContextOptions {
  return { cert, key: key.reveal(), minVersion: 'TLSv1.2' };
}

/**
 * Takes another certificate into use for the connections that come; those that are open keep the one they began with.
 *
 * @returns whether the server speaks TLS, so that there was something to do
 */
export function renewCertificate(server: Server, tls: TlsConfig): boolean {
  if (!(server instanceof TlsServer)) return false;
  server.setSecureContext(secureContext(tls));
  return true;
}
