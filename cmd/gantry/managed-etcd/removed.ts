/** This machine's member was taken out of the cluster: what is here is of no use to it any more. */
export class RemovedMemberError extends Error {
  override readonly name = 'RemovedMemberError';
}
