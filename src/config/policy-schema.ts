import { z } from 'zod';

/** The risks of a call, as the catalogue tells them. */
export const POLICY_RISKS = ['read', 'change', 'secret', 'destroy', 'execute'] as const;
export type PolicyRisk = (typeof POLICY_RISKS)[number];

/** Whose approval a call needs, the strictest last. */
export const APPROVALS = ['none', 'self', 'person', 'second'] as const;
export type Approval = (typeof APPROVALS)[number];

/** What a role may be called. Nothing that an object of JavaScript has by itself fits. */
const ROLE_NAME = /^[A-Za-z][A-Za-z0-9-]{0,62}$/;
const MOST_ITEMS = 1000;
const MOST_ROLES = 500;

const text = z
  .string()
  .min(1, { error: 'must not be empty' })
  .max(300, { error: 'is longer than 300 characters' });
const texts = z
  .union([text, z.array(text).min(1, { error: 'must not be empty' }).max(MOST_ITEMS)], {
    error: 'must be a text or a list of texts, none of them empty',
  })
  .transform((value): string[] => [value].flat());

const risk = z.enum(POLICY_RISKS, { error: `must be one of ${POLICY_RISKS.join(', ')}` });
const risks = z
  .union([z.literal('*'), risk, z.array(risk).min(1)], {
    error: `must be "*" or a list of ${POLICY_RISKS.join(', ')}`,
  })
  .transform((value): PolicyRisk[] => (value === '*' ? [...POLICY_RISKS] : [value].flat()));

const method = z.enum(['GET', 'POST', 'PUT', 'DELETE'], { error: 'must be GET, POST, PUT or DELETE' });
const approval = z.enum(APPROVALS, { error: `must be one of ${APPROVALS.join(', ')}` });

/** Read as VMIDs where the file is read; here only its form. */
const vmids = z.union([z.int(), text, z.array(z.union([z.int(), text])).min(1)], {
  error: 'must be VMIDs or ranges, such as "100-199,205"',
});

const guests = z
  .strictObject({
    vmids: vmids.optional(),
    names: texts.optional(),
    tags: texts.optional(),
    pools: texts.optional(),
  })
  .refine((value) => Object.keys(value).length > 0, {
    error: 'must name vmids, names, tags or pools; leave it out where every guest is meant',
  });

const approvals = z.strictObject({
  change: approval.optional(),
  secret: approval.optional(),
  destroy: approval.optional(),
  execute: approval.optional(),
  bulk: approval.optional(),
  at_client: z.boolean({ error: 'must be true or false' }).optional(),
});

const count = z.int({ error: 'must be a whole number' }).min(1, { error: 'must be 1 or more' });
const limits = z.strictObject({
  calls_per_minute: count.max(1_000_000).optional(),
  bulk: count.max(1_000_000).optional(),
});

const grant = z
  .strictObject({
    allow: risks.optional(),
    deny: risks.optional(),
    tools: texts.optional(),
    paths: texts.optional(),
    methods: z
      .union([method, z.array(method).min(1)], {
        error: 'must be GET, POST, PUT or DELETE, or a list of these',
      })
      .transform((value) => [value].flat())
      .optional(),
    clusters: texts.optional(),
    guests: guests.optional(),
    approval: approval.optional(),
  })
  .refine((value) => (value.allow === undefined) !== (value.deny === undefined), {
    error: 'must have either "allow" or "deny", with the risks it is about',
  })
  .refine((value) => value.deny === undefined || value.approval === undefined, {
    error: 'has "approval" beside "deny"; what is denied needs none',
  });

const role = z.strictObject({
  description: text.optional(),
  extends: texts.optional(),
  grants: z.array(grant).max(MOST_ITEMS).optional(),
  approval: approvals.optional(),
  limits: limits.optional(),
  read_only: z.boolean().optional(),
});

const match = z
  .strictObject({
    subject: texts.optional(),
    client: texts.optional(),
    group: texts.optional(),
    scope: texts.optional(),
  })
  .refine((value) => Object.keys(value).length > 0, {
    error: 'must name subject, client, group or scope; {"subject":"*"} is everyone',
  });

const tenant = z
  .strictObject({ pools: texts.optional(), tags: texts.optional(), infrastructure: z.boolean().optional() })
  .refine((value) => value.pools !== undefined || value.tags !== undefined, {
    error: 'must name pools or tags',
  });

const principal = z.strictObject({
  description: text.optional(),
  match,
  roles: texts,
  tenant: tenant.optional(),
  limits: limits.optional(),
  read_only: z.boolean().optional(),
});

const protectedGuests = z
  .strictObject({
    tags: texts.optional(),
    names: texts.optional(),
    vmids: z
      .record(z.string(), vmids, { error: 'must be an object: the name of a cluster, or "*", to VMIDs' })
      .optional(),
  })
  .refine((value) => Object.keys(value).length > 0, { error: 'must name tags, names or vmids' });

export const policyFile = z.strictObject({
  description: text.optional(),
  roles: z
    .record(
      z.string().regex(ROLE_NAME, {
        error: 'the name of a role must begin with a letter, then letters, digits and "-"; at most 63',
      }),
      role,
    )
    .refine((value) => Object.keys(value).length <= MOST_ROLES, {
      error: `holds more than ${MOST_ROLES} roles`,
    })
    .optional(),
  principals: z.array(principal).max(MOST_ITEMS),
  protected: protectedGuests.optional(),
  approval: approvals.optional(),
  limits: limits.optional(),
  read_only: z.boolean().optional(),
});

export type PolicyFile = z.output<typeof policyFile>;
export type PolicyRole = z.output<typeof role>;
export type PolicyGrant = z.output<typeof grant>;
export type PolicyPrincipal = z.output<typeof principal>;
export type PolicyGuests = z.output<typeof guests>;
export type PolicyApprovals = z.output<typeof approvals>;
export type PolicyLimits = z.output<typeof limits>;

/** The keys of each object of the file, by the key that it stands under; those of the file itself under ''. */
export const POLICY_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(policyFile.shape),
  roles: Object.keys(role.shape),
  grants: Object.keys(grant.shape),
  guests: Object.keys(guests.shape),
  principals: Object.keys(principal.shape),
  match: Object.keys(match.shape),
  tenant: Object.keys(tenant.shape),
  approval: Object.keys(approvals.shape),
  limits: Object.keys(limits.shape),
  protected: Object.keys(protectedGuests.shape),
};
