import type { Tool } from '../define.ts';
import { deleteSetting } from './delete-setting.ts';
import { getOptions } from './get-options.ts';
import { getSyslog } from './get-syslog.ts';
import { listCertificates } from './list-certificates.ts';
import { listServices } from './list-services.ts';
import { listSettings } from './list-settings.ts';
import { listUpdates } from './list-updates.ts';
import { manageService } from './manage-service.ts';
import { orderCertificate } from './order-certificate.ts';
import { refreshUpdates } from './refresh-updates.ts';
import { saveSetting } from './save-setting.ts';
import { setCertificate } from './set-certificate.ts';
import { setOptions } from './set-options.ts';
import { testNotification } from './test-notification.ts';

/** The toolset `system`, in the order in which clients see it. */
export const SYSTEM_TOOLS: readonly Tool[] = [
  listCertificates,
  setCertificate,
  orderCertificate,
  listUpdates,
  refreshUpdates,
  listSettings,
  saveSetting,
  deleteSetting,
  testNotification,
  getOptions,
  setOptions,
  getSyslog,
  listServices,
  manageService,
];
