import { createHash } from 'node:crypto';
import { ApiError, failure, invalidParameters } from '../../errors.ts';
import type { ClusterState, Storage, Volume } from '../../state/cluster-state.ts';
import { requireSpace } from '../../state/disks.ts';
import { MIB } from '../../state/sizes.ts';
import { findVolume, requireStorageOn } from '../../state/volumes.ts';
import { booleans, choice, declare, on, scatter, startNodeTask, texts } from '../declare.ts';
import { type Call, type Method, node, optionalText, storage, text } from '../method.ts';

const EXTENSIONS: Record<string, RegExp> = {
  iso: /\.(iso|img)$/i,
  vztmpl: /\.tar\.(gz|xz|zst|bz2)$|\.tar$/i,
  import: /\.(ova|ovf|qcow2|raw|vmdk)$/i,
};
const FOLDERS: Record<string, string> = { iso: 'iso', vztmpl: 'vztmpl', import: 'import' };

/** A file that is about to be put on a storage. */
interface NewFile {
  place: Storage;
  host: string;
  content: string;
  volid: string;
}

/** What is refused before a byte is moved: the wrong place, a name that doesn't say what it is, one that is taken. */
export function newFile(call: Call, content: string, filename: string): NewFile {
  const { state } = call;
  const host = text(call, 'node');
  const place = requireStorageOn(state, text(call, 'storage'), host);
  if (!place.content.includes(content)) {
    throw failure(`storage '${place.storage}' is not configured for content-type '${content}'`);
  }
  // Everything but letters, digits and a few signs is replaced, as PVE normalises it.
  const name = filename.replace(/^.*[/\\]/, '').replaceAll(/[^\w.-]/g, '_');
  if (!EXTENSIONS[content]?.test(name)) {
    throw invalidParameters({ filename: 'wrong file extension' });
  }
  return { place, host, content, volid: `${place.storage}:${FOLDERS[content]}/${name}` };
}

export function store(state: ClusterState, file: NewFile, size: number): void {
  requireSpace(state, file.host, file.place, size);
  const present = findVolume(state, file.host, file.volid);
  const extension = file.volid.split('.').at(-1) ?? '';
  const volume: Volume = {
    volid: file.volid,
    storage: file.place.storage,
    ...(file.place.shared ? {} : { node: file.host }),
    content: file.content,
    format: file.content === 'vztmpl' ? `t${extension}` : file.content === 'iso' ? 'iso' : extension,
    size,
    ctime: Math.floor(state.clock() / 1000),
  };
  if (present) Object.assign(present, volume);
  else state.volumes.push(volume);
}

function refuseChecksum(call: Call, digestOf: (algorithm: string) => string | undefined): void {
  const algorithm = optionalText(call, 'checksum-algorithm');
  const expected = optionalText(call, 'checksum')?.toLowerCase();
  if (algorithm === undefined || expected === undefined) return;
  const actual = digestOf(algorithm);
  if (actual !== expected) throw failure(`checksum mismatch: got '${actual}' != expect '${expected}'`);
}

/** The web server has put the file away and says where; an upload that is not one has nothing there. */
function upload(call: Call): string {
  const { state } = call;
  if (call.localNode !== text(call, 'node')) {
    throw new ApiError(501, `upload to another node is not implemented: call '${text(call, 'node')}' itself`);
  }
  const file = newFile(call, text(call, 'content'), text(call, 'filename'));
  const temporary = optionalText(call, 'tmpfilename') ?? '';
  const uploaded = state.uploads?.get(temporary);
  if (!uploaded) throw failure(`missing temporary file '${temporary}'`);
  return startNodeTask(call, 'imgcopy', '', {
    end: () => {
      state.uploads?.delete(temporary);
      refuseChecksum(call, (algorithm) => uploaded.digests[algorithm]);
      store(state, file, uploaded.size);
    },
    log: [
      `starting file import from: ${temporary}`,
      `target node: ${file.host}`,
      `target file: ${file.volid}`,
    ],
  });
}

/** Nothing is fetched: a download's bytes are the URL itself, so that its checksum can be known. */
export function downloadDigest(url: string, algorithm: string): string {
  return createHash(algorithm).update(url).digest('hex');
}

export function downloadSize(url: string): number {
  return Math.floor((100 + 900 * scatter(url)) * MIB);
}

function download(call: Call): string {
  const { state } = call;
  const url = text(call, 'url');
  const file = newFile(call, text(call, 'content'), text(call, 'filename'));
  if (findVolume(state, file.host, file.volid)) {
    throw failure(`refusing to override existing file '${file.volid}'`);
  }
  return startNodeTask(call, 'download', file.volid.split('/').at(-1) ?? '', {
    end: (say) => {
      // A host that is reserved for what doesn't exist can't be reached here either.
      if (new URL(url).hostname.endsWith('.invalid'))
        throw failure(`download failed: could not resolve host`);
      refuseChecksum(call, (algorithm) => downloadDigest(url, algorithm));
      store(state, file, downloadSize(url));
      say(`download of '${url}' to '${file.volid}' finished`);
    },
    log: [`downloading ${url} to ${file.volid}`],
  });
}

function metadata(call: Call): unknown {
  const url = text(call, 'url');
  const { pathname, hostname } = new URL(url);
  if (hostname.endsWith('.invalid')) throw failure(`could not resolve host '${hostname}'`);
  return {
    filename: pathname.slice(pathname.lastIndexOf('/') + 1),
    size: downloadSize(url),
    mimetype: pathname.endsWith('.iso') ? 'application/x-iso9660-image' : 'application/octet-stream',
  };
}

const path = '/nodes/{node}/storage/{storage}';
const url = { type: 'string', pattern: 'https?://.*' } as const;
const filename = { type: 'string', maxLength: 255 } as const;
const common = {
  node,
  storage,
  filename,
  content: { type: 'string', enum: ['iso', 'vztmpl', 'import'] },
  checksum: { type: 'string', optional: 1, requires: 'checksum-algorithm' },
  'checksum-algorithm': choice('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'),
} as const;

/** Bringing images and templates onto a storage. */
export const fileMethods: Method[] = [
  declare(
    'POST',
    `${path}/upload`,
    on('/storage/{storage}', 'Datastore.AllocateTemplate'),
    { ...common, tmpfilename: { type: 'string', optional: 1, pattern: '/var/tmp/pveupload-[0-9a-f]+' } },
    upload,
  ),
  declare(
    'POST',
    `${path}/download-url`,
    {
      check: [
        'and',
        ['perm', '/storage/{storage}', ['Datastore.AllocateTemplate']],
        ['or', ['perm', '/', ['Sys.Audit', 'Sys.Modify']], ['perm', '/nodes/{node}', ['Sys.AccessNetwork']]],
      ],
    },
    { ...common, url, ...texts('compression'), ...booleans('verify-certificates') },
    download,
  ),
  declare(
    'GET',
    '/nodes/{node}/query-url-metadata',
    {
      check: [
        'or',
        ['perm', '/', ['Sys.Audit', 'Sys.Modify']],
        ['perm', '/nodes/{node}', ['Sys.AccessNetwork']],
      ],
    },
    { node, url, ...booleans('verify-certificates') },
    metadata,
  ),
];
