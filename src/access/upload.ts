import type { ApiPath } from '../proxmox/api-path.ts';
import type { Parameters } from '../proxmox/call.ts';
import type { ChecksumAlgorithm, Upload, UploadContent } from '../proxmox/upload.ts';

/**
 * The file of an upload with the parameters that were judged. The engine refuses what they hold that is none of the
 * kinds it knows, before anything is sent.
 *
 * @param path `/nodes/{node}/storage/{storage}/upload`
 */
export function uploadOf(path: ApiPath, parameters: Parameters, file: Uint8Array): Upload {
  const [nodes, node, kind, storage, action] = path.segments;
  const isUpload = nodes === 'nodes' && kind === 'storage' && action === 'upload';
  if (!isUpload || node === undefined || storage === undefined) throw new Error(`${path} takes no file`);
  const { content, filename, checksum, 'checksum-algorithm': algorithm } = parameters;
  // Without it an approval would hold for any file of this name.
  if (checksum === undefined || algorithm === undefined) throw new Error('an upload needs its checksum');
  return {
    node,
    storage,
    content: String(content) as UploadContent,
    filename: String(filename),
    size: file.length,
    body: once(file),
    checksum: String(checksum),
    checksumAlgorithm: String(algorithm) as ChecksumAlgorithm,
  };
}

async function* once(file: Uint8Array): AsyncGenerator<Uint8Array> {
  yield file;
}
