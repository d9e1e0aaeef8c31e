import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { TlsConfig } from './config.ts';
import type { Environment } from './environment.ts';
import type { Secret } from './secret.ts';

const DAY_MS = 86_400_000;
/** Who renews by itself has done so by then: Let's Encrypt's own advice is 30 days before the end. */
const WARN_MS = 14 * DAY_MS;
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/;

/**
 * MCP_TLS_CERT and MCP_TLS_KEY, usually as MCP_TLS_CERT_FILE and MCP_TLS_KEY_FILE: with them the service speaks https
 * itself. Everything that would make a handshake fail is a problem here, so that a pair that was read can be used.
 *
 * @param now epoch milliseconds
 * @returns undefined where neither is set, or where the pair can't be used
 */
export function readTls(
  environment: Environment,
  warnings: string[],
  now: number = Date.now(),
): TlsConfig | undefined {
  const cert = environment.text('MCP_TLS_CERT');
  const key = environment.secret('MCP_TLS_KEY');
  const isHalf = environment.has('MCP_TLS_CERT') !== environment.has('MCP_TLS_KEY');
  if (isHalf) {
    const [there, missing] = environment.has('MCP_TLS_CERT') ? ['CERT', 'KEY'] : ['KEY', 'CERT'];
    environment.problem(
      `MCP_TLS_${missing}`,
      `is missing: MCP_TLS_${there} is set, and https needs both; set MCP_TLS_${missing}_FILE`,
    );
  }
  // A file that can't be read was recorded as a problem by then.
  if (cert === undefined || key === undefined) return undefined;
  const certificate = readCertificate(cert, environment, now);
  const privateKey = readKey(key, environment);
  if (certificate === undefined || privateKey === undefined) return undefined;
  if (!isPair(certificate, privateKey, cert, key)) {
    environment.problem(
      'MCP_TLS_KEY',
      'does not belong to the certificate of MCP_TLS_CERT: its first certificate has to be that of the key, ' +
        'those of the authorities follow it',
    );
    return undefined;
  }
  warnings.push(...keyWarnings(environment), ...ageWarnings(certificate, now));
  return { cert, key, fingerprint: certificate.fingerprint256, expiresAt: endOf(certificate) };
}

function readCertificate(pem: string, environment: Environment, now: number): X509Certificate | undefined {
  const certificate = parsed(pem);
  if (certificate === undefined) {
    environment.problem(
      'MCP_TLS_CERT',
      'holds no PEM certificate that can be read (-----BEGIN CERTIFICATE-----)',
    );
    return undefined;
  }
  if (endOf(certificate) <= now) {
    environment.problem('MCP_TLS_CERT', `has expired on ${day(endOf(certificate))}; renew the certificate`);
    return undefined;
  }
  const begin = Date.parse(certificate.validFrom);
  if (begin > now + DAY_MS) {
    environment.problem(
      'MCP_TLS_CERT',
      `is valid from ${day(begin)} on: look at the clock, or take the right one`,
    );
    return undefined;
  }
  return certificate;
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(PEM.exec(pem)?.[0] ?? '');
  } catch {
    return undefined;
  }
}

function readKey(key: Secret, environment: Environment): KeyObject | undefined {
  try {
    return createPrivateKey(key.reveal());
  } catch {
    const isEncrypted = /-----BEGIN [A-Z ]*ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(key.reveal());
    environment.problem(
      'MCP_TLS_KEY',
      isEncrypted
        ? 'is locked with a passphrase; unlock it with: openssl pkey -in KEY -out NEW, and keep that one at mode 600'
        : 'holds no PEM private key that can be read (-----BEGIN PRIVATE KEY-----)',
    );
    return undefined;
  }
}

/** OpenSSL has the last word: a chain that it can't read, or a key that is too weak for it, is no pair either. */
function isPair(certificate: X509Certificate, privateKey: KeyObject, cert: string, key: Secret): boolean {
  try {
    if (!certificate.checkPrivateKey(privateKey)) return false;
    createSecureContext({ cert, key: key.reveal() });
    return true;
  } catch {
    return false;
  }
}

function keyWarnings(environment: Environment): string[] {
  const path = environment.place('MCP_TLS_KEY')?.file;
  if (path === undefined || process.platform === 'win32') return [];
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  // A group may be how the service gets at it: certbot's ssl-cert, fsGroup of Kubernetes.
  if ((mode & 0o007) === 0) return [];
  return [`${path} (MCP_TLS_KEY_FILE) can be read by every user of this machine; run: chmod o= ${path}`];
}

function ageWarnings(certificate: X509Certificate, now: number): string[] {
  const end = endOf(certificate);
  return end - now > WARN_MS
    ? []
    : [`MCP_TLS_CERT expires on ${day(end)}: a new one is taken into use at once`];
}

function endOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo);
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
