/** What a value is to reach, in the unit of its measure. */
export interface Mark {
  at: 'most' | 'least';
  value: number;
}

/** One measured line. `mark` is what it is to reach; `floor` a peer or physical floor measured in the same run. */
export interface Measure {
  what: string;
  value: number;
  unit: 'us' | 'ms' | 's' | 'MB' | 'kB' | '/s' | '%' | 'x' | '';
  mark?: Mark;
  floor?: { what: string; value: number };
}

export type Section = (report: (measure: Measure) => void) => Promise<void>;

/** One line for people: value, mark, and whether it is met. Times vary from machine to machine; ratios are to look at. */
export function formatMeasure({ what, value, unit, mark, floor }: Measure): string {
  const met = !mark
    ? ''
    : (mark.at === 'most' ? value <= mark.value : value >= mark.value)
      ? 'met'
      : 'NOT MET';
  const wanted = mark ? `${mark.at === 'most' ? '<=' : '>='} ${number(mark.value)} ${unit}` : '';
  const beside = floor
    ? `${floor.what} ${number(floor.value)} ${unit}, ratio ${(value / floor.value).toFixed(2)}`
    : '';
  return [
    what.padEnd(52),
    `${number(value)} ${unit}`.padStart(14),
    wanted.padStart(16),
    met.padEnd(8),
    beside,
  ]
    .join('  ')
    .trimEnd();
}

function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
