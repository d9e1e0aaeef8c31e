import type { Tool } from '../define.ts';
import { createStorage } from './create-storage.ts';
import { deleteStorage } from './delete-storage.ts';
import { deleteVolume } from './delete-volume.ts';
import { downloadAppliance } from './download-appliance.ts';
import { downloadToStorage } from './download-to-storage.ts';
import { getStorage } from './get-storage.ts';
import { importDisk } from './import-disk.ts';
import { listAppliances } from './list-appliances.ts';
import { listStorageContent } from './list-storage-content.ts';
import { updateStorage } from './update-storage.ts';
import { uploadToStorage } from './upload-to-storage.ts';

/** The toolset `storage`, in the order in which clients see it. */
export const STORAGE_TOOLS: readonly Tool[] = [
  getStorage,
  createStorage,
  updateStorage,
  deleteStorage,
  listStorageContent,
  uploadToStorage,
  downloadToStorage,
  listAppliances,
  downloadAppliance,
  deleteVolume,
  importDisk,
];
