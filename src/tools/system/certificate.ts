import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { compact, isoTime, numberOf, rowsOf, textOf } from '../results.ts';

export const CERTIFICATE_CALLS = [['GET', '/nodes/{node}/certificates/info']] as const;

/** The one that the API and the web interface show, where there is one beside the cluster's own. */
export const CUSTOM_FILE = 'pveproxy-ssl.pem';
const DAY_MS = 86_400_000;

export const certificateRow = z
  .object({
    node: z.string(),
    file: z.string(),
    subject: z.string(),
    issuer: z.string(),
    names: z.array(z.string()),
    expires_at: z.string(),
    days_left: z.int(),
    fingerprint: z.string(),
    key: z.string(),
  })
  .partial();

export type CertificateRow = z.output<typeof certificateRow>;

export async function readCertificates(cluster: GatedCluster, node: string): Promise<Json[]> {
  return rowsOf(
    (await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/certificates/info` })).data,
  );
}

export function shownCertificate(node: string, row: Json, now: number): CertificateRow {
  const until = numberOf(row.notafter);
  const bits = numberOf(row['public-key-bits']);
  return compact({
    node,
    file: textOf(row.filename),
    subject: textOf(row.subject),
    issuer: textOf(row.issuer),
    names: Array.isArray(row.san) ? row.san.map(String) : undefined,
    expires_at: until === undefined ? undefined : isoTime(until * 1000),
    days_left: until === undefined ? undefined : Math.floor((until * 1000 - now) / DAY_MS),
    fingerprint: textOf(row.fingerprint),
    key: [textOf(row['public-key-type']), bits].filter((part) => part !== undefined).join(' '),
  });
}

/**
 * Holds a certificate that is to be served against its key and the clock: with a wrong one nobody reaches the node by
 * HTTPS any more.
 *
 * @param key undefined: the node has it already
 * @throws CallError INVALID_ARGUMENTS; no part of the key is in it
 */
export function requireServable(pem: string, key: string | undefined, now: number): X509Certificate {
  const certificate = parsed(() => new X509Certificate(pem));
  if (certificate === undefined) {
    throw invalid('`certificate` is no PEM certificate.', 'Pass the chain as PEM, that of the server first.');
  }
  if (Date.parse(certificate.validTo) <= now)
    throw invalid(`It expired at ${isoTime(Date.parse(certificate.validTo))}.`, 'Pass a valid one.');
  if (Date.parse(certificate.validFrom) > now) {
    throw invalid(
      `It is valid from ${isoTime(Date.parse(certificate.validFrom))} on.`,
      'Pass one that is valid now.',
    );
  }
  if (key === undefined) return certificate;
  const secret: KeyObject | undefined = parsed(() => createPrivateKey(key));
  if (secret === undefined)
    throw invalid('`key` is no PEM private key, or it is encrypted.', 'Pass the key as plain PEM.');
  if (!certificate.checkPrivateKey(secret)) {
    throw invalid(
      '`key` is not the key of this certificate.',
      'Pass the server certificate first in the chain, and its key.',
    );
  }
  return certificate;
}

function parsed<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

function invalid(message: string, hint: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, { hint: `${hint} Nothing was sent.` });
}
