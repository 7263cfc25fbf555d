/** How many there are at once, and the most there were within the last second: a scrape would see hardly any. */
export class Inflight {
  #current = 0;
  #second = 0;
  #peak = 0;
  #before = 0;

  enter(nowMs: number): void {
    this.#current++;
    this.#roll(nowMs);
    if (this.#current > this.#peak) this.#peak = this.#current;
  }

  leave(): void {
    this.#current--;
  }

  peak(nowMs: number): number {
    this.#roll(nowMs);
    return Math.max(this.#peak, this.#before);
  }

  #roll(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#second) return;
    this.#before = second === this.#second + 1 ? this.#peak : 0;
    this.#second = second;
    this.#peak = this.#current;
  }
}
