import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { CONTENT_CALLS, readContents, type Volume } from './content.ts';
import type { Place } from './place.ts';

export const FILE_CALLS = CONTENT_CALLS;

/** What is put on a storage as a file, and how PVE wants its name to end. */
const ENDINGS = {
  iso: /\.(?:iso|img)$/i,
  vztmpl: /\.tar\.(?:gz|xz|zst|bz2)$/i,
  import: /\.(?:ova|qcow2|raw|vmdk)$/i,
} as const;
const ENDINGS_IN_WORDS = {
  iso: '.iso or .img',
  vztmpl: '.tar.gz, .tar.xz or .tar.zst',
  import: '.qcow2, .raw, .vmdk or .ova',
} as const;

export type FileContent = keyof typeof ENDINGS;

export const fileContentParam = z.enum(['iso', 'vztmpl', 'import']).optional();

const LENGTHS = { md5: 32, sha1: 40, sha224: 56, sha256: 64, sha384: 96, sha512: 128 } as const;
const ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;

export type ChecksumAlgorithm = (typeof ALGORITHMS)[number];

/** In hexadecimal; which kind it is, its length tells. */
export const checksumParam = textParam(128)
  .refine(
    (text) => algorithmOf(text) !== undefined,
    'is no checksum: md5, sha1, sha256 or sha512 in hexadecimal',
  )
  .optional();

export function algorithmOf(checksum: string): ChecksumAlgorithm | undefined {
  if (!/^[0-9a-f]+$/i.test(checksum)) return undefined;
  return ALGORITHMS.find((name) => LENGTHS[name] === checksum.length);
}

/** As the parameters of Proxmox. */
export function checksumData(checksum: string | undefined) {
  if (checksum === undefined) return {};
  return { checksum: checksum.toLowerCase(), 'checksum-algorithm': algorithmOf(checksum) };
}

/** The kind that a name says it is; `.img` may be any disk, and is an image to boot from unless told. */
export function contentOfName(filename: string): FileContent | undefined {
  return (['vztmpl', 'import', 'iso'] as const).find((content) => ENDINGS[content].test(filename));
}

/** Whether a name ends as Proxmox wants it for this content. */
export function isFitting(filename: string, content: FileContent): boolean {
  return ENDINGS[content].test(filename);
}

/**
 * As Proxmox makes it: all but ASCII letters, digits, `_`, `.` and `-` are replaced. It has to be the very same, as an
 * upload overwrites what has that name.
 */
export function normalised(filename: string): string {
  return filename.replace(/^.*[/\\]/, '').replaceAll(/[^\w.-]/g, '_');
}

/** @throws CallError INVALID_ARGUMENTS for a name that does not say what it is */
export function requireEnding(cluster: string, filename: string, content: FileContent): void {
  if (isFitting(filename, content)) return;
  throw refuser(cluster)(
    'INVALID_ARGUMENTS',
    `The name ${quoted(filename)} of a file for ${content} must end in ${ENDINGS_IN_WORDS[content]}.`,
    'Pass `filename`, with the ending that tells its format.',
  );
}

/** The volume that a file becomes. */
export function volidOf({ storage }: Pick<Place, 'storage'>, content: FileContent, filename: string): string {
  return `${storage}:${content}/${filename}`;
}

/** The file of this name that is there already. @throws CallError */
export async function present(
  cluster: GatedCluster,
  { node, storage }: Place,
  content: FileContent,
  volid: string,
): Promise<Volume | undefined> {
  const { volumes } = await readContents(cluster, { storage, node, content });
  return volumes.find((volume) => volume.volid === volid);
}
