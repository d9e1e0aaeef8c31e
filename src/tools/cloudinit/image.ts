import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { storageFor } from '../defaults.ts';
import { refuser } from '../refusals.ts';
import { findVolume } from '../storage/content.ts';
import { downloadRequest, metadataOf, metadataRequest, nameFor, nameInUrl } from '../storage/download.ts';
import { present, requireEnding, volidOf } from '../storage/files.ts';
import { placeFor, requireSpace } from '../storage/place.ts';

/** The image that a VM is made of. */
export interface Image {
  volid: string;
  /** What has to be sent for it to be there; nothing where it is. */
  fetch: { metadata: GateRequest; download: GateRequest; check(): Promise<void> } | undefined;
  note: string | undefined;
}

interface ImageWanted {
  image: string;
  checksum: string | undefined;
  /** Where an image that is downloaded goes. */
  storage: string | undefined;
}

export function isUrl(image: string): boolean {
  return /^https?:\/\//i.test(image);
}

/** The node that an image binds the VM to: the only one that has it. @throws CallError where there is none */
export async function nodeOfImage(
  cluster: GatedCluster,
  image: string,
  node: string | undefined,
): Promise<string | undefined> {
  const { volume } = await findVolume(cluster, image, node);
  if (volume.content !== 'import' && volume.content !== 'images') {
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      `${quoted(image)} is ${volume.content ?? 'something else'}, and no disk image.`,
      'Pass the URL of a cloud image, or a volume that list_storage_content shows with content=import.',
    );
  }
  return volume.shared ? undefined : volume.node;
}

/**
 * Finds the image for a node, and what is to be sent where it has to be downloaded. One of the same name that is
 * there already is taken, as by a deployment that broke off, but not unseen where a checksum is given: whoever put it
 * there, nobody compared it.
 *
 * @throws CallError
 */
export async function imageFor(cluster: GatedCluster, node: string, wanted: ImageWanted): Promise<Image> {
  const { image, checksum } = wanted;
  if (!isUrl(image)) {
    if (checksum === undefined) return { volid: image, fetch: undefined, note: undefined };
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      'A checksum goes with a URL: Proxmox compares none of a volume that is there.',
      'Leave `checksum` out to take the volume as it is.',
    );
  }
  const filename = nameFor(nameInUrl(cluster.name, image) ?? '', 'import', undefined);
  requireEnding(cluster.name, filename, 'import');
  if (/\.ova$/i.test(filename)) {
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      'An OVA holds a VM of its own, and is no cloud image.',
      'Pass a .qcow2, .raw, .vmdk or .img image.',
    );
  }
  const storage = await storageFor(cluster, wanted.storage, { node, content: 'import' });
  const place = await placeFor(cluster, { storage, node, content: 'import' });
  const volid = volidOf(place, 'import', filename);
  if ((await present(cluster, place, 'import', volid)) !== undefined) {
    if (checksum === undefined)
      return { volid, fetch: undefined, note: `The image ${quoted(volid)} was there already and was taken.` };
    throw refuser(cluster.name)(
      'CONFLICT',
      `The image ${quoted(volid)} is there already, and its checksum can't be compared any more.`,
      `Pass image="${volid}" without checksum to take it as it is; delete_volume makes room for a new download.`,
    );
  }
  const download = { url: image, content: 'import', filename, checksum, verifyCertificates: true } as const;
  const metadata = metadataRequest(node, download);
  return {
    volid,
    note: checksum === undefined ? 'The image was taken without a checksum.' : undefined,
    fetch: {
      metadata,
      download: downloadRequest(place, download),
      check: async () => requireSpace(cluster.name, place, (await metadataOf(cluster, metadata)).bytes),
    },
  };
}
