/** One thing that is wrong with the configuration. Holds names, patterns and VMIDs, and never any other value. */
export interface ConfigProblem {
  /** The file, `.env` included, or `environment`. */
  source: string;
  cluster?: string;
  /** Key of clusters.json, or name of the variable. */
  field?: string;
  message: string;
}

/** Everything that is wrong with the configuration, at once; `message` lists it line by line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  /** Absolute paths of the files that were read, or would be if they were there: a change may put things right. */
  readonly files: readonly string[];

  constructor(problems: readonly ConfigProblem[], files: readonly string[] = []) {
    super(
      `The configuration can't be used:\n${problems.map((problem) => `  - ${inWords(problem)}`).join('\n')}`,
    );
    this.problems = problems;
    this.files = files;
  }
}

function inWords(problem: ConfigProblem): string {
  const where = [
    problem.source,
    ...(problem.cluster === undefined ? [] : [`cluster "${problem.cluster}"`]),
    ...(problem.field === undefined ? [] : [problem.field]),
  ];
  return `${where.join(', ')}: ${problem.message}`;
}
