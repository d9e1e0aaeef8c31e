import { apiPath } from '../../../../proxmox/api-path.ts';
import { quoted } from '../../../../proxmox/text.ts';
import { namedIn } from '../../../firewall/rule-checks.ts';
import { inWords } from '../../../firewall/rules.ts';
import { someOf } from '../../../fleet.ts';
import { pooled } from '../../../pooled.ts';
import { type DefinitionKind, write } from '../definition.ts';
import { commentOf, listAt, missingNames, some } from './firewall-names.ts';
import { changeRules, type GroupRules, makeRules, type Rule, readGroup } from './group-rules.ts';

export interface Group extends GroupRules {
  comment: string;
}

export const groupKind: DefinitionKind<Group> = {
  word: 'security group',
  needs: ['aliases', 'ipsets'],
  read: async (cluster) =>
    pooled(await listAt(cluster, apiPath`/cluster/firewall/groups`), async (row) => {
      const name = String(row.group);
      const comment = commentOf(row);
      const { rules, digest } = await readGroup(cluster, name);
      return {
        name,
        same: JSON.stringify([comment, rules]),
        fields: { comment, rules: rules.map(ruleText) },
        body: { comment, rules, digest },
      };
    }),
  async problems({ body: { rules } }, site) {
    const macros = rules.flatMap(({ macro }) => macro ?? []);
    const [names, known, forwards] = await Promise.all([
      missingNames(site, rules.flatMap(namedIn)),
      macros.length === 0
        ? undefined
        : site.once('macros', async () =>
            (await listAt(site.cluster, apiPath`/cluster/firewall/macros`)).map((row) => String(row.macro)),
          ),
      site.cluster.catalogue(),
    ]);
    const unknown = [...new Set(macros)].filter((macro) => known?.includes(macro) === false);
    const types = forwards.get('POST', '/cluster/firewall/groups/{group}')?.parameters.type?.enum;
    const strange = [...new Set(rules.map(({ type }) => type))].filter(
      (type) => types?.includes(type) === false,
    );
    return [
      ...names,
      ...(unknown.length > 0 ? [`${site.cluster.name} has no macro ${someOf(unknown.map(quoted))}.`] : []),
      ...(strange.length > 0
        ? [`${site.cluster.name} knows no rules of type ${strange.join(', ')}: its version is another one.`]
        : []),
    ];
  },
  make: ({ name, body: { comment, rules } }) => [
    write('POST', apiPath`/cluster/firewall/groups`, { group: name, ...some({ comment }) }),
    ...makeRules(name, rules),
  ],
  change: ({ body: { comment, rules } }, { name, body: now }, { cluster }) => [
    ...(comment === now.comment
      ? []
      : [write('POST', apiPath`/cluster/firewall/groups`, { group: name, rename: name, comment })]),
    ...changeRules(cluster, name, now, rules),
  ],
  remove: async () =>
    'Rules of nodes and guests may name it: delete_firewall_rule and delete_firewall_object delete it.',
};

function ruleText(rule: Rule): string {
  const { icmp_type, log } = rule;
  return [
    inWords(rule),
    ...(icmp_type === undefined ? [] : [`icmp-type ${icmp_type}`]),
    ...(log === undefined ? [] : [`log ${log}`]),
  ].join(' ');
}
