import { EASING, isGiven, isSecretParameter, type ParameterRule, RAISING } from './risk-parameters.ts';
import { RISK_RULES, type RiskRule } from './risk-rules.ts';
import { type HttpMethod, RISKS, type Risk } from './types.ts';

export interface RiskAssessment {
  /** The gravest risk. */
  readonly risk: Risk;
  /** Every risk, gravest last. Who may make the call must be allowed each of them. */
  readonly risks: readonly Risk[];
  /** Why, in words; one per rule that spoke. */
  readonly reasons: readonly string[];
}

interface CompiledRule {
  readonly methods: ReadonlySet<string>;
  readonly path: RegExp;
  readonly rule: RiskRule;
}

const COMPILED: readonly CompiledRule[] = RISK_RULES.map(compile);
type CompiledParameterRule = CompiledRule & Pick<ParameterRule, 'when'>;

/** What the rules say of a method before its parameters are looked at. */
interface OfMethod {
  risk: RiskAssessment;
  easing: readonly CompiledParameterRule[];
  raising: readonly CompiledParameterRule[];
}

/** Of each verb; more than the API has. Paths that no catalogue knows are callers' texts and must not fill the memory. */
const MOST_KNOWN = 500;

/** Which rules are about a method: two hundred expressions, which are tried once for each. */
class RulesOfMethods {
  readonly #known: Readonly<Record<HttpMethod, Map<string, OfMethod>>> = {
    GET: new Map(),
    POST: new Map(),
    PUT: new Map(),
    DELETE: new Map(),
  };

  of(method: HttpMethod, template: string): OfMethod {
    const templates = this.#known[method];
    const known = templates.get(template);
    if (known !== undefined) return known;
    const isAbout = (compiled: CompiledRule): boolean => applies(compiled, method, template);
    const found = {
      risk: assessed(method, template),
      easing: EASING_COMPILED.filter(isAbout),
      raising: RAISING_COMPILED.filter(isAbout),
    };
    if (templates.size >= MOST_KNOWN) templates.clear();
    templates.set(template, found);
    return found;
  }
}

const KNOWN = new RulesOfMethods();
const EASING_COMPILED = EASING.map(compileParameterRule);
const RAISING_COMPILED = RAISING.map(compileParameterRule);

/** The explicit rule about a method; undefined where there is none. */
export function ruleFor(method: HttpMethod, template: string): RiskRule | undefined {
  return COMPILED.find((compiled) => applies(compiled, method, template))?.rule;
}

/**
 * The risk of a method, whatever its parameters: by the first rule that matches; without one a GET is `read`
 * and all else `destroy`.
 *
 * @param template the path template of the catalogue, not a concrete path.
 */
export function riskOf(method: HttpMethod, template: string): RiskAssessment {
  return KNOWN.of(method, template).risk;
}

function assessed(method: HttpMethod, template: string): RiskAssessment {
  const rule = ruleFor(method, template);
  if (rule) return assess([...risksOf(rule)], [rule[2]]);
  if (method === 'GET') return assess(['read'], ['only reads']);
  return assess(['destroy'], ['no rule knows this method, so the worst is assumed']);
}

/**
 * The risk of one call: its method's, raised or eased by its parameters (a `delete` that removes disks, a
 * password, a backup that prunes none).
 *
 * @param params as the caller gave them, before or after encoding.
 */
export function riskOfCall(
  method: HttpMethod,
  template: string,
  params: Readonly<Record<string, unknown>>,
): RiskAssessment {
  const known = KNOWN.of(method, template);
  const eased = speaking(known.easing, params);
  const raising = speaking(known.raising, params);
  const secret = Object.keys(params).find(
    (name) => isGiven(params[name]) && isSecretParameter(template, name),
  );
  if (eased.length === 0 && raising.length === 0 && secret === undefined) return known.risk;
  const base = eased.length > 0 ? combine(eased) : known.risk;
  const raised = combine(raising);
  const risks = [...base.risks, ...raised.risks];
  const reasons = [...base.reasons, ...raised.reasons];
  if (secret !== undefined && !risks.includes('secret')) {
    risks.push('secret');
    reasons.push(`${secret} is a secret`);
  }
  return assess(risks, reasons);
}

function combine(rules: readonly RiskRule[]): { risks: Risk[]; reasons: string[] } {
  return { risks: rules.flatMap((rule) => [...risksOf(rule)]), reasons: rules.map((rule) => rule[2]) };
}

function assess(risks: readonly Risk[], reasons: readonly string[]): RiskAssessment {
  const sorted = RISKS.filter((risk) => risks.includes(risk));
  // Next to another risk, reading and changing still need their own permission; read alone is no extra.
  const listed = sorted.length > 1 ? sorted.filter((risk) => risk !== 'read') : sorted;
  return { risk: listed.at(-1) ?? 'destroy', risks: listed, reasons };
}

function risksOf(rule: RiskRule): readonly Risk[] {
  return typeof rule[0] === 'string' ? [rule[0]] : rule[0];
}

function speaking(
  rules: readonly CompiledParameterRule[],
  params: Readonly<Record<string, unknown>>,
): RiskRule[] {
  return rules.filter((compiled) => compiled.when(params)).map((compiled) => compiled.rule);
}

function applies(compiled: CompiledRule, method: HttpMethod, template: string): boolean {
  return compiled.methods.has(method) && compiled.path.test(template);
}

function compileParameterRule({ rule, when }: ParameterRule): CompiledRule & Pick<ParameterRule, 'when'> {
  return { ...compile(rule), when };
}

function compile(rule: RiskRule): CompiledRule {
  const [verbs = '', path = ''] = rule[1].split(' ');
  const pattern = path.replaceAll('.', '\\.').replaceAll('*', '\\{[^/]+\\}').replaceAll('(', '(?:');
  return { methods: new Set(verbs.split('|')), path: new RegExp(`^${pattern}$`), rule };
}
