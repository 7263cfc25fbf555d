import { AGENT_PATHS, type NodeLink } from '#api/node-link.ts';
import type { Clock } from '#machinery/clock.ts';
import { type StatusCause, StatusError } from '#machinery/errors.ts';
import { refusalOf } from '#machinery/http-over.ts';
import type { RequestInfo, ResourceHandler } from '../contract.ts';
import { agentQuery, containerOf, podOf } from './pod-target.ts';

const PARAMETERS = [
  'container',
  'follow',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'timestamps',
  'tailLines',
  'limitBytes',
  'stream',
];

/** GET pods/log: plain text from the agent, for as long as the client follows. Source: core/v1 PodLogOptions. */
export function podLogHandler(link: NodeLink, clock: Clock): ResourceHandler {
  return {
    resource: 'pods/log',
    async serve({ info, signal }, _body, objects) {
      checkOptions(info);
      const pod = podOf(info, objects);
      const container = containerOf(pod, info.query.get('container') ?? '');
      const headers = { 'content-type': 'text/plain' };
      const node = pod.spec?.nodeName;
      // A pod that no node has yet has said nothing, which is no error.
      if (!node) return { status: 200, headers, body: new Uint8Array() };
      const path = AGENT_PATHS.logs(encodeURIComponent(info.namespace), encodeURIComponent(info.name));
      const query = agentQuery(info.query, PARAMETERS, container);
      const over = new AbortController();
      const answer = await link.open(node, 'bulk').request({
        method: 'GET',
        path: `${path}${query}`,
        headers: {},
        signal: AbortSignal.any([signal, over.signal]),
      });
      if (answer.status === 200) return { status: 200, headers, body: answer.body };
      // A redirect of an agent is never followed: it could lead anywhere.
      throw await refusalOf(answer.status, answer.body, clock).finally(() => over.abort());
    },
  };
}

/** The least value of each number. */
const LEAST: Record<string, number> = { tailLines: 0, limitBytes: 1, sinceSeconds: 1 };

function checkOptions(info: RequestInfo): void {
  const causes: StatusCause[] = [];
  for (const [field, least] of Object.entries(LEAST)) {
    const value = info.query.get(field);
    if (value === null || value === '') continue;
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new StatusError(
        'BadRequest',
        `strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
    }
    if (number >= least) continue;
    const limit = least === 0 ? 'greater than or equal to 0' : 'greater than 0';
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${number}: must be ${limit}`,
      field,
    });
  }
  if (info.query.get('sinceTime') && info.query.get('sinceSeconds')) {
    causes.push({
      reason: 'FieldValueForbidden',
      message: 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
      field: '',
    });
  }
  if (causes.length === 0) return;
  const faults = causes.map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const all = faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`;
  throw new StatusError('Invalid', `PodLogOptions ${JSON.stringify(info.name)} is invalid: ${all}`, {
    name: info.name,
    kind: 'PodLogOptions',
    causes,
  });
}
