import type { Collections } from './collections.ts';

export const ENDPOINTS = '/cluster/notifications/endpoints';
export const MATCHERS = '/cluster/notifications/matchers';

/** What every installation has from the start. */
export function addBuiltInNotifications(collections: Collections): void {
  const mail = {
    origin: 'builtin',
    comment: "Send mails to root@pam's email address",
    'mailto-user': ['root@pam'],
  };
  collections.create({ path: `${ENDPOINTS}/sendmail`, noun: 'endpoint' }, 'mail-to-root', mail);
  const all = {
    origin: 'builtin',
    comment: 'Route all notifications to mail-to-root',
    mode: 'all',
    target: ['mail-to-root'],
  };
  collections.create({ path: MATCHERS, noun: 'matcher' }, 'default-matcher', all);
}
