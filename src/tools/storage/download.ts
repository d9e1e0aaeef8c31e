import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { refuser } from '../refusals.ts';
import { numberOf, textOf } from '../results.ts';
import { checksumData, contentOfName, type FileContent, normalised } from './files.ts';
import type { Place } from './place.ts';

export const DOWNLOAD_CALLS = [
  ['GET', '/nodes/{node}/query-url-metadata', 'url', 'verify-certificates'],
  [
    ...(['POST', '/nodes/{node}/storage/{storage}/download-url', 'content', 'filename', 'url'] as const),
    ...(['checksum', 'checksum-algorithm', 'compression', 'verify-certificates'] as const),
  ],
] as const;

const COMPRESSED = /\.(?:gz|lzo|zst|bz2)$/i;

export interface Download {
  url: string;
  content: FileContent;
  filename: string;
  checksum?: string | undefined;
  compression?: string | undefined;
  verifyCertificates: boolean;
}

/** The last part of the path; undefined where the URL ends in none. @throws CallError INVALID_ARGUMENTS */
export function nameInUrl(cluster: string, url: string): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw refuser(cluster)('INVALID_ARGUMENTS', 'The URL is none of http or https.', 'Pass a whole URL.');
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw refuser(cluster)(
      'INVALID_ARGUMENTS',
      'The URL holds a login, which Proxmox would write into the log of the task.',
      'Use one without, or put the file on a storage in another way.',
    );
  }
  const last = parsed.pathname.split('/').at(-1) ?? '';
  return last === '' ? undefined : normalised(decoded(last));
}

/**
 * The name that the file gets. Proxmox tells formats by endings: cloud images called `.img` are qcow2 for the most
 * part, and are refused under that name.
 */
export function nameFor(name: string, content: FileContent, compression: string | undefined): string {
  const bare = compression === undefined ? name : name.replace(COMPRESSED, '');
  return content === 'import' ? bare.replace(/\.img$/i, '.qcow2') : bare;
}

export function guessContent(name: string | undefined): FileContent | undefined {
  return name === undefined
    ? undefined
    : (contentOfName(name.replace(COMPRESSED, '')) ?? contentOfName(name));
}

export function metadataRequest(
  node: string,
  { url, verifyCertificates }: Pick<Download, 'url' | 'verifyCertificates'>,
): GateRequest {
  return {
    method: 'GET',
    path: apiPath`/nodes/${node}/query-url-metadata`,
    data: { url, 'verify-certificates': verifyCertificates ? undefined : false },
  };
}

export function downloadRequest(
  { node, storage }: Pick<Place, 'node' | 'storage'>,
  download: Download,
): GateRequest {
  const { url, content, filename, checksum, compression, verifyCertificates } = download;
  return {
    method: 'POST',
    path: apiPath`/nodes/${node}/storage/${storage}/download-url`,
    data: {
      content,
      filename,
      url,
      ...checksumData(checksum),
      compression,
      'verify-certificates': verifyCertificates ? undefined : false,
    },
  };
}

export interface UrlMetadata {
  filename: string | undefined;
  bytes: number | undefined;
}

/**
 * Asks the node what is behind the URL.
 *
 * @throws CallError where the node can't reach it, or where it is a web page
 */
export async function metadataOf(cluster: GatedCluster, request: GateRequest): Promise<UrlMetadata> {
  const { data } = await cluster.request(request);
  const row = isObject(data) ? data : {};
  const type = textOf(row.mimetype);
  if (type !== undefined && /^text\/html\b/i.test(type)) {
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      `Behind the URL is a web page (${quoted(type)}), and no file.`,
      'Pass the address of the file itself.',
    );
  }
  return { filename: textOf(row.filename), bytes: numberOf(row.size) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
