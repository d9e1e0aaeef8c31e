import { createSecureContext, TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import type { ClusterTls, Endpoint } from '../config/config.ts';
import { cleanText } from './text.ts';

export type ConnectFailureKind =
  | 'refused'
  | 'timeout'
  | 'name'
  | 'unreachable'
  | 'reset'
  | 'not-tls'
  | 'certificate'
  | 'fingerprint'
  | 'other';

export interface SeenCertificate {
  /** SHA-256, upper-case hex pairs joined by colons. */
  fingerprint: string;
  /** Epoch milliseconds; not a number where the certificate does not say it. */
  expiresAt: number;
  /** `unchecked`: taken, as the configuration holds it against nothing. */
  trust: 'proven' | 'unchecked' | 'refused';
}

/** Connecting failed: not one byte of a request was sent. `message` completes the sentence "host:port …". */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure';
  readonly kind: ConnectFailureKind;
  /** SHA-256 of the certificate that the other side showed, where it showed one. */
  readonly seenFingerprint: string | undefined;

  constructor(kind: ConnectFailureKind, message: string, options: { seen?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.seenFingerprint = options.seen;
  }
}

/**
 * Makes undici's connector for one endpoint. Its callback runs before undici may write to the socket, and this is
 * where the certificate is judged: a credential never reaches a host that has not proven itself.
 *
 * The judging is done here and not by `rejectUnauthorized`, because only a socket that is still open can say which
 * certificate it saw, and the operator needs that fingerprint to compare or to pin. Session tickets are not kept: a
 * resumed session shows no certificate to compare, and the workers of a pveproxy do not know each other's tickets.
 *
 * Connections share one context, made with the first of them: Node would make one for each, which takes as long as a
 * fifth of a handshake and reads `ca_file` anew.
 *
 * @param closing where it aborts, connections that are still being made are given up: undici forgets them, and a
 *   handshake that hangs would outlive the service.
 * @param onCertificate told of the certificate that was shown, whatever is thought of it
 */
export function tlsConnector(
  endpoint: Endpoint,
  tls: ClusterTls,
  connectMs: number,
  closing: AbortSignal,
  onCertificate: (certificate: SeenCertificate) => void,
): buildConnector.connector {
  const connector = () =>
    buildConnector({
      secureContext: createSecureContext(tls.ca === undefined ? {} : { ca: tls.ca }),
      rejectUnauthorized: false,
      maxCachedSessions: 0,
      timeout: connectMs,
      allowH2: false, // pveproxy answers 506 to anything but HTTP/1.x
    });
  let connect: buildConnector.connector | undefined;
  const pin = endpoint.fingerprint ?? tls.fingerprint;
  return (options, callback) => {
    connect ??= connector();
    // undici's types keep quiet about it: it returns the socket.
    const pending: unknown = connect(options, (error, socket) => {
      closing.removeEventListener('abort', giveUp);
      if (error !== null) return callback(connectFailure(error), null);
      const certificate = (socket as TLSSocket).getPeerX509Certificate();
      const expiresAt = certificate?.validToDate.getTime() ?? Number.NaN;
      const seen = certificate?.fingerprint256;
      const failure = certificateFailure(socket as TLSSocket, seen, pin, tls.verify);
      const isChecked = pin !== undefined || tls.verify;
      const trust = failure !== undefined ? 'refused' : isChecked ? 'proven' : 'unchecked';
      if (seen !== undefined) onCertificate({ fingerprint: seen, expiresAt, trust });
      if (failure === undefined) return callback(null, socket);
      socket.destroy();
      callback(failure, null);
    });
    const giveUp = () => {
      if (pending instanceof TLSSocket) pending.destroy(new Error('closing'));
    };
    if (closing.aborted) giveUp();
    else closing.addEventListener('abort', giveUp, { once: true });
  };
}

function certificateFailure(
  socket: TLSSocket,
  seen: string | undefined,
  pin: string | undefined,
  verify: boolean,
): ConnectFailure | undefined {
  const details = { ...(seen === undefined ? {} : { seen }) };
  if (pin !== undefined) {
    if (seen === pin) return undefined;
    const shown =
      seen === undefined ? 'showed no certificate' : `showed a certificate with the fingerprint ${seen}`;
    return new ConnectFailure('fingerprint', `${shown}, not the pinned ${pin}`, details);
  }
  if (!verify || socket.authorized) return undefined;
  // Node's types say Error; at run time it is the error's code.
  const code = String(socket.authorizationError);
  const words = CERTIFICATE_WORDS[code] ?? `has a certificate that is not trusted (${cleanText(code)})`;
  return new ConnectFailure('certificate', words, details);
}

const CERTIFICATE_WORDS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has a certificate that has expired',
  CERT_NOT_YET_VALID: 'has a certificate that is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another host name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a certificate that is not trusted (self-signed)',
  SELF_SIGNED_CERT_IN_CHAIN: 'has a certificate that is not trusted (self-signed CA)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a certificate that is not trusted (unknown CA)',
  UNABLE_TO_GET_ISSUER_CERT: 'has a certificate that is not trusted (unknown CA)',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has a certificate that is not trusted (unknown CA)',
};

const CONNECT_WORDS: Readonly<Record<string, readonly [ConnectFailureKind, string]>> = {
  ECONNREFUSED: ['refused', 'refused the connection'],
  ETIMEDOUT: ['timeout', 'did not answer in time when connecting'],
  UND_ERR_CONNECT_TIMEOUT: ['timeout', 'did not answer in time when connecting'],
  ENOTFOUND: ['name', 'has a name that was not found'],
  EAI_AGAIN: ['name', 'has a name that could not be looked up'],
  EHOSTUNREACH: ['unreachable', 'is unreachable (no route to the host)'],
  ENETUNREACH: ['unreachable', 'is unreachable (no route to the network)'],
  ECONNRESET: ['reset', 'closed the connection during the TLS handshake'],
  EPIPE: ['reset', 'closed the connection during the TLS handshake'],
  EPROTO: ['not-tls', 'does not speak TLS'],
};

function connectFailure(error: Error): ConnectFailure {
  const code = 'code' in error ? String(error.code) : '';
  const [kind, words] = CONNECT_WORDS[code] ?? tlsWords(code);
  return new ConnectFailure(kind, words, { cause: error });
}

function tlsWords(code: string): readonly [ConnectFailureKind, string] {
  if (code.startsWith('ERR_SSL_')) return ['not-tls', `does not speak TLS as expected (${code})`];
  return ['other', `could not be connected to (${code === '' ? 'unknown cause' : code})`];
}
