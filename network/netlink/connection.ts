import type { Netlink } from './contract.ts';
import { errnoName, NetlinkError } from './errors.ts';
import { type Message, NLMSG_DONE, NLMSG_ERROR, parseAttributes, parseMessages, textOf } from './wire.ts';

/**
 * Requests to one network namespace: numbers the messages, sends them as one exchange and gives each its answer. Errors
 * of the kernel become NetlinkError values, in order, so that a caller can take `EEXIST` for done.
 */

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** A message without its number. `what` names it in errors: `add address 10.0.0.1/32 to gabc123`. */
export interface Request {
  what: string;
  encode(sequence: number): Buffer;
}

/** What one message of a request was answered with. */
export interface Answer {
  error?: NetlinkError;
  messages: Message[];
}

/** nlmsgerr: error and header of the refused message; then, by NETLINK_EXT_ACK, attributes with a text. */
const NLMSGERR_BYTES = 20;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

let lastSequence = 1;

/**
 * Sends messages in one exchange. The answers are in the order of the requests. Rejects only when the door itself does
 * or answers nonsense.
 */
export async function exchange(
  netlink: Netlink,
  protocol: number,
  requests: readonly Request[],
  networkNamespace?: string,
): Promise<Answer[]> {
  if (requests.length === 0) return [];
  const first = lastSequence;
  lastSequence = (lastSequence + requests.length) % 0x7fff_ffff;
  const request = Buffer.concat(requests.map((each, at) => each.encode(first + at)));
  const reply = await netlink.exchange({ networkNamespace, protocol, request });
  const answers: Answer[] = requests.map(() => ({ messages: [] }));
  for (const message of parseMessages(reply)) {
    const at = message.sequence - first;
    const answer = answers[at];
    // Answers to an exchange that was given up are not ours.
    if (!answer) continue;
    if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) answer.messages.push(message);
    else answer.error ??= refusal(message, requests[at]!.what, at);
  }
  return answers;
}

/** Sends messages and throws the first refusal. */
export async function perform(
  netlink: Netlink,
  protocol: number,
  requests: readonly Request[],
  networkNamespace?: string,
): Promise<Answer[]> {
  const answers = await exchange(netlink, protocol, requests, networkNamespace);
  for (const { error } of answers) if (error) throw error;
  return answers;
}

function refusal(message: Message, what: string, at: number): NetlinkError | undefined {
  const number = message.body.length >= 4 ? message.body.readInt32LE(0) : 0;
  if (number === 0) return undefined;
  return new NetlinkError(errnoName(number), what, at, extendedText(message));
}

/** The kernel's own words, when the socket asked for them and the request was not echoed. */
function extendedText(message: Message): string {
  const capped = (message.flags & NLM_F_CAPPED) !== 0;
  if (!(message.flags & NLM_F_ACK_TLVS) || !capped) return '';
  return textOf(parseAttributes(message.body.subarray(NLMSGERR_BYTES)).get(NLMSGERR_ATTR_MSG));
}
