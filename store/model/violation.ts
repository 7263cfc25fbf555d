/** The store did something that its contract forbids. The message says what was seen and what had to be. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
