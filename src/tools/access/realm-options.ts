/** Every option of a realm of any type; which type takes which, Proxmox knows best. */
export const REALM_OPTIONS = [
  ...['acr-values', 'audiences', 'autocreate', 'base_dn', 'bind_dn', 'capath', 'case-sensitive', 'cert'],
  ...['certkey', 'check-connection', 'client-id', 'client-key', 'comment', 'default', 'domain', 'filter'],
  ...['group_classes', 'group_dn', 'group_filter', 'group_name_attr', 'groups-autocreate', 'groups-claim'],
  ...['groups-overwrite', 'issuer-url', 'mode', 'password', 'port', 'prompt', 'query-userinfo', 'scopes'],
  ...['secure', 'server1', 'server2', 'sslversion', 'sync-defaults-options', 'sync_attributes', 'tfa'],
  ...['user_attr', 'user_classes', 'verify'],
];

export const REALM_TYPES = ['ad', 'ldap', 'openid'] as const;

/** What a new realm of a type can't do without. */
export const REALM_NEEDS: Readonly<Record<(typeof REALM_TYPES)[number], readonly string[]>> = {
  ad: ['server1', 'domain'],
  ldap: ['server1', 'base_dn', 'user_attr'],
  openid: ['issuer-url', 'client-id'],
};
