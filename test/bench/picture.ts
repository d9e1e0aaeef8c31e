import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { type Figure, isMissed, isRate } from './figures.ts';
import { type Machine, machineLine, type Outcome } from './report.ts';

const WIDTH = 1200;
const LEFT = 400;
const BAR_WIDTH = 520;
const ROW = 30;
const BAR = 16;
const TITLE = 90;
const FONTS = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'];
const COLOURS = { met: '#2e7d32', missed: '#c62828', plain: '#546e7a', baseline: '#cfd8dc', text: '#212121' };

/** Draws what has a goal or is held against something, a row for each, and writes it as PNG. */
export async function drawPicture(
  file: string,
  machine: Machine,
  outcomes: readonly Outcome[],
): Promise<void> {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')),
    'ttf',
  );
  const picture = new Resvg(svgOf(machine, outcomes), {
    font: {
      fontFiles: FONTS.map((name) => join(folder, name)),
      loadSystemFonts: false,
      defaultFontFamily: 'DejaVu Sans',
    },
  });
  await writeFile(file, picture.render().asPng());
}

/** The picture as SVG: bars in colour are the figures, grey ones what they are held against, lines the goals. */
function svgOf(machine: Machine, outcomes: readonly Outcome[]): string {
  const parts: string[] = [];
  let y = TITLE;
  for (const { bench, figures } of outcomes) {
    const shown = figures.filter(
      ({ goal, baseline, unit }) => goal !== undefined || baseline || isRate(unit),
    );
    if (shown.length === 0) continue;
    parts.push(text(20, y + 20, bench, { weight: 'bold', size: 16 }));
    y += ROW;
    for (const each of shown) {
      parts.push(...rowOf(each, y, scaleOf(each, shown)));
      y += ROW;
    }
    y += ROW / 2;
  }
  const head = [
    text(20, 36, 'proxmox-mcp: speed and memory', { weight: 'bold', size: 22 }),
    text(20, 62, machineLine(machine), { size: 13 }),
    text(
      20,
      80,
      'Colour: measured, median of the rounds (green meets its goal). Grey: what it is held against. Line: the goal.',
      { size: 11 },
    ),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 20}" font-family="DejaVu Sans"><rect width="100%" height="100%" fill="#ffffff"/>${[...head, ...parts].join('')}</svg>`;
}

/** Rates of a bench share a scale, so that they compare; what is measured in other units has each its own. */
function scaleOf(each: Figure, shown: readonly Figure[]): number {
  const alike = isRate(each.unit) ? shown.filter(({ unit }) => isRate(unit)) : [each];
  return Math.max(
    ...alike.flatMap(({ median, goal = 0, baseline }) => [median, goal, baseline?.median ?? 0]),
    1e-9,
  );
}

function rowOf(each: Figure, y: number, most: number): string[] {
  const { name, median, unit, goal, baseline, ratio } = each;
  const x = (value: number): number => LEFT + (Math.max(0, value) / most) * BAR_WIDTH;
  const colour = goal === undefined ? COLOURS.plain : isMissed(each) ? COLOURS.missed : COLOURS.met;
  const against = ratio === undefined ? '' : `  ×${ratio} of ${baseline?.name ?? ''}`;
  const parts = [text(LEFT - 10, y + BAR - 3, name, { anchor: 'end' })];
  if (baseline) parts.push(bar(LEFT, y - 2, x(baseline.median) - LEFT, BAR + 4, COLOURS.baseline));
  parts.push(bar(LEFT, y, Math.max(1, x(median) - LEFT), BAR, colour));
  if (goal !== undefined) parts.push(bar(x(goal) - 1, y - 4, 2, BAR + 8, COLOURS.text));
  parts.push(
    text(
      LEFT + BAR_WIDTH + 14,
      y + 8,
      `${median} ${unit}${goal === undefined ? '' : ` (goal ${isRate(unit) ? '≥' : '≤'} ${goal})`}`,
      { size: 11, weight: 'bold' },
    ),
  );
  if (against !== '') parts.push(text(LEFT + BAR_WIDTH + 14, y + 20, against.trim(), { size: 9 }));
  return parts;
}

function bar(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}" fill="${colour}"/>`;
}

function text(
  x: number,
  y: number,
  words: string,
  {
    anchor = 'start',
    size = 12,
    weight = 'normal',
  }: { anchor?: string; size?: number; weight?: string } = {},
): string {
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${COLOURS.text}">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
