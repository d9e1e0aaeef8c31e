import type { Tool } from '../define.ts';
import { deployCloudImage } from './deploy-cloud-image.ts';
import { getCloudinit } from './get-cloudinit.ts';
import { regenerateCloudinit } from './regenerate-cloudinit.ts';
import { setCloudinit } from './set-cloudinit.ts';

/** The toolset `cloudinit`, in the order in which clients see it. */
export const CLOUDINIT_TOOLS: readonly Tool[] = [
  getCloudinit,
  setCloudinit,
  regenerateCloudinit,
  deployCloudImage,
];
