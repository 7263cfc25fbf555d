/** Source: Prometheus exposition formats, text format 0.0.4. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A metric with its lines. `labels`: `verb="GET",code="200"`, without braces. */
export class Family {
  readonly #name: string;
  readonly #lines: string[];

  constructor(name: string, type: 'counter' | 'gauge' | 'histogram', help: string) {
    this.#name = name;
    this.#lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  }

  value(labels: string, value: number): void {
    this.#lines.push(`${this.#name}${labels && `{${labels}}`} ${value}`);
  }

  histogram(labels: string, { bounds, counts, sum, count }: Histogram): void {
    const name = this.#name;
    const before = labels && `${labels},`;
    let total = 0;
    for (let at = 0; at < bounds.length; at++) {
      total += counts[at]!;
      this.#lines.push(`${name}_bucket{${before}le="${bounds[at]}"} ${total}`);
    }
    this.#lines.push(`${name}_bucket{${before}le="+Inf"} ${count}`);
    const braces = labels && `{${labels}}`;
    this.#lines.push(`${name}_sum${braces} ${sum}`, `${name}_count${braces} ${count}`);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

/** How often a value was within each bound. Plain numbers: it is on every request's path. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    if (at < bounds.length) this.counts[at]!++;
    this.sum += value;
    this.count++;
  }
}

/** Labels as a line has them, without braces. */
export function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(',');
}

/** A label's value, quoted. Source: Prometheus exposition formats, comments and escaping. */
export function quoted(value: string): string {
  const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}
