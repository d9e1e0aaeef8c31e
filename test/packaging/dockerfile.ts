import { projectFile } from './project.ts';

const STAGES = projectFile('Dockerfile')
  .split(/^(?=FROM )/m)
  .slice(1);

/** The stage that becomes the image. */
export function finalStage(): string {
  return STAGES.at(-1) ?? '';
}

/** What the Dockerfile copies from the build context, stage by stage or all together. */
export function contextSources(stages: string = STAGES.join('')): string[] {
  const copies = [...stages.matchAll(/^COPY (?!--from)(?:--\S+ )*(.+) \S+$/gm)];
  return [...new Set(copies.flatMap((match) => (match[1] ?? '').split(' ')))];
}

/** What a stage copies from the context. */
export function stageSources(name: string): string[] {
  return contextSources(STAGES.find((stage) => stage.split('\n')[0]?.endsWith(` AS ${name}`)));
}

/** What the image gives to Node, before the file that it runs. */
export function nodeFlags(): string[] {
  const [, ...words] = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(finalStage())?.[1] ?? '[]') as string[];
  return words.filter((word) => word.startsWith('--'));
}

/** The program that the image's health check runs in node. */
export function healthcheckScript(): string {
  const words = /^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/m.exec(finalStage())?.[1] ?? '[]';
  const [node, option, script] = JSON.parse(words) as string[];
  if (node !== 'node' || option !== '-e' || script === undefined)
    throw new Error('the health check is not `node -e …`');
  return script;
}
