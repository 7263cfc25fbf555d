/**
 * What a worker can do for its pod. Closed: the executor handles each, and each ends in one Fact (learn.ts). The key
 * names an effect while it is under way, so that it is never begun twice.
 */
export type Effect =
  | { do: 'resolveImage'; container: string }
  | { do: 'mountVolumes' }
  | { do: 'createSandbox' }
  | { do: 'attachNetwork' }
  | { do: 'startContainer'; container: string; attempt: number }
  | { do: 'startProbes'; container: string; attempt: number }
  | {
      do: 'stopContainer';
      container: string;
      attempt: number;
      graceMs: number;
      why: string;
      /** It is to be started anew whatever the pod's policy says. */
      replaces?: true;
    }
  | { do: 'allocate' }
  | { do: 'resizePod' }
  | { do: 'forgetContainer'; id: string }
  | { do: 'removeSandbox' }
  | { do: 'detachNetwork' }
  | { do: 'unmountVolumes' }
  | { do: 'deleteObject' };

export function effectKey(effect: Effect): string {
  switch (effect.do) {
    case 'resolveImage':
      return `${effect.do}:${effect.container}`;
    case 'startContainer':
    case 'startProbes':
      return `${effect.do}:${effect.container}.${effect.attempt}`;
    case 'stopContainer':
      return `${effect.do}:${effect.container}.${effect.attempt}:${effect.graceMs}`;
    case 'forgetContainer':
      return `${effect.do}:${effect.id}`;
    default:
      return effect.do;
  }
}
