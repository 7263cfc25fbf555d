/** An answer other than 200, in words for people; kubectl prints them. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
