import { type ApiPath, apiPath } from './api-path.ts';
import type { Ending } from './ending.ts';
import { CallError } from './errors.ts';

/** What PVE takes by upload; backups and snippets have other ways in. */
const UPLOAD_CONTENTS = ['iso', 'vztmpl', 'import'] as const;
export type UploadContent = (typeof UPLOAD_CONTENTS)[number];

const CHECKSUM_ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

/** A file on its way into a storage. */
export interface Upload {
  node: string;
  storage: string;
  content: UploadContent;
  /** The name it gets there: no path, and nothing that the header of a part can't hold. */
  filename: string;
  /** Bytes of the body, exactly. */
  size: number;
  /** Read once, as fast as the node takes it; a stream is destroyed where it is not read to its end. */
  body: AsyncIterable<Uint8Array>;
  /** Hexadecimal; PVE compares it in the task. Goes with `checksumAlgorithm`. */
  checksum?: string;
  checksumAlgorithm?: ChecksumAlgorithm;
  signal?: Ending;
  /** For the whole upload, in milliseconds; from the size where absent. */
  deadlineMs?: number;
  /** Told how many bytes of the file were handed over so far, each time there are more. */
  onProgress?(bytesSent: number): void;
}

/** @throws CallError INVALID_PATH for a node or a storage that is no single segment. */
export function uploadPath({ node, storage }: Upload): ApiPath {
  return apiPath`/nodes/${node}/storage/${storage}/upload`;
}

/**
 * The text fields of an upload, in the order they are sent.
 *
 * @throws CallError INVALID_ARGUMENTS for what PVE would refuse only after the whole file has arrived.
 */
export function uploadFields(upload: Upload): [name: string, value: string][] {
  const { content, size, checksum, checksumAlgorithm } = upload;
  if (!UPLOAD_CONTENTS.includes(content)) throw refused('content', `must be ${UPLOAD_CONTENTS.join(' or ')}`);
  if (!Number.isSafeInteger(size) || size < 1) throw refused('size', 'must be a number of bytes from 1');
  if (filenameProblem(upload.filename)) throw refused('filename', FILENAME_RULE);
  if (checksum === undefined && checksumAlgorithm === undefined) return [['content', content]];
  if (checksum === undefined || checksumAlgorithm === undefined) {
    throw refused('checksum', 'and checksum-algorithm go together');
  }
  if (!CHECKSUM_ALGORITHMS.includes(checksumAlgorithm)) {
    throw refused('checksum-algorithm', `must be one of ${CHECKSUM_ALGORITHMS.join(', ')}`);
  }
  if (!/^(?:[0-9a-f]{2}){16,64}$/i.test(checksum)) throw refused('checksum', 'must be hexadecimal');
  return [
    ['content', content],
    ['checksum', checksum],
    ['checksum-algorithm', checksumAlgorithm],
  ];
}

const FILENAME_RULE =
  'must be a plain name of at most 255 bytes, without slash, backslash, quote, semicolon and control characters';

function filenameProblem(name: string): boolean {
  const isPath = name === '' || name === '.' || name === '..' || name !== name.trim();
  return (
    isPath ||
    !name.isWellFormed() ||
    /[/\\"';\p{Cc}\u2028\u2029]/u.test(name) ||
    Buffer.byteLength(name) > 255
  );
}

function refused(field: string, problem: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `Of the upload, ${field} ${problem}.`, {
    hint: 'Correct this field; nothing was sent.',
  });
}
