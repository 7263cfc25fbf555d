import type { Container, Pod } from '#api/objects.ts';
import type { EventRecorder } from '#client/events.ts';
import type { Clock } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { formatGoDuration } from '#machinery/values/duration.ts';
import { type Image, ImageError, type RegistryCredentials } from '#oci/contract.ts';
import { fieldPath } from '../pods/context.ts';
import type { PodSources } from '../sources/sources.ts';
import { credentialsFor } from './credentials.ts';
import type { Pulled, Pulls } from './pulls.ts';

/** The image is there, or why not and when to ask again. */
export type ImageOutcome =
  | { image: Image; imageId: string }
  | { failed: { reason: string; message: string }; retryAtMs: number };

/** Makes the images of containers be on the node, by their pull policy. Never rejects for a reason of the image. */
export interface ImageService {
  ensure(pod: Pod, container: Container): Promise<ImageOutcome>;
}

export interface ImageServiceOptions {
  pulls: Pick<Pulls, 'present' | 'onNode' | 'loaded' | 'fetchLoaded' | 'fetch'>;
  sources: PodSources;
  recorder: Pick<EventRecorder, 'record'>;
  clock: Clock;
}

/** Source: Kubernetes documentation, "Images", ImagePullBackOff. */
const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;
/** ErrImagePull is shown this long before it becomes a back-off. */
const SHOW_ERROR_MS = 1000;
/** Images whose failures are remembered. */
const MAX_BACKOFFS = 1000;

interface Backoff {
  delayMs: number;
  untilMs: number;
  message: string;
}

export function imageService(options: ImageServiceOptions): ImageService {
  return new Images(options);
}

class Images implements ImageService {
  readonly #options: ImageServiceOptions;
  readonly #backoffs = new Map<string, Backoff>();

  constructor(options: ImageServiceOptions) {
    this.#options = options;
  }

  async ensure(pod: Pod, container: Container): Promise<ImageOutcome> {
    const reference = container.image ?? '';
    const policy = pullPolicy(container);
    const say = this.#sayFor(pod, container);
    try {
      if (policy !== 'Always') {
        const present = await this.#present(reference, policy);
        if (present) {
          say('Normal', 'Pulled', `Container image "${reference}" already present on machine`);
          return { image: present, imageId: imageIdOf(present) };
        }
      }
    } catch (error) {
      return this.#fault(error, reference, say);
    }
    if (policy === 'Never') {
      const message = `Container image "${reference}" is not present with pull policy of Never`;
      say('Warning', 'ErrImageNeverPull', message);
      return {
        failed: { reason: 'ErrImageNeverPull', message },
        retryAtMs: this.#options.clock.now() + FIRST_BACKOFF_MS,
      };
    }
    return this.#pull(pod, reference, policy, say);
  }

  /** Never is what is here, whatever the cluster means by the name. */
  #present(reference: string, policy: 'IfNotPresent' | 'Never'): Promise<Image | undefined> {
    const { pulls } = this.#options;
    return policy === 'Never' ? pulls.onNode(reference) : pulls.present(reference);
  }

  async #pull(pod: Pod, reference: string, policy: Policy, say: Say): Promise<ImageOutcome> {
    const { clock } = this.#options;
    const backoff = this.#backoffs.get(reference);
    const began = clock.monotonic();
    if (backoff && backoff.untilMs > clock.now()) {
      say('Normal', 'BackOff', `Back-off pulling image "${reference}"`);
      say('Warning', 'Failed', 'Error: ImagePullBackOff');
      const message = `Back-off pulling image "${reference}": ErrImagePull: ${backoff.message}`;
      return { failed: { reason: 'ImagePullBackOff', message }, retryAtMs: backoff.untilMs };
    }
    say('Normal', 'Pulling', `Pulling image "${reference}"`);
    try {
      const { image, from } = await this.#bring(pod, reference, policy);
      this.#backoffs.delete(reference);
      const took = formatGoDuration(Math.round(clock.monotonic() - began));
      say(
        'Normal',
        'Pulled',
        `Successfully pulled image "${reference}" in ${took} (${took} including waiting). Image size: ${image.sizeBytes} bytes.${origin(from)}`,
      );
      return { image, imageId: imageIdOf(image) };
    } catch (error) {
      return this.#fault(error, reference, say);
    }
  }

  /** Always asks the registry what the name means; else it is what was loaded into the cluster under it, if anything was. */
  async #bring(pod: Pod, reference: string, policy: Policy): Promise<Pulled> {
    const { pulls } = this.#options;
    const loaded = policy === 'Always' ? undefined : pulls.loaded(reference);
    if (loaded) return pulls.fetchLoaded(loaded);
    return pulls.fetch(reference, await this.#credentials(pod, reference));
  }

  async #credentials(pod: Pod, reference: string): Promise<RegistryCredentials | undefined> {
    const { namespace = '', uid = '' } = pod.metadata;
    const names = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []));
    if (names.length === 0) return undefined;
    await this.#options.sources.acquire(`${uid}/images`, namespace, { configMaps: [], secrets: names });
    try {
      for (const name of names) {
        const secret = this.#options.sources.secret(namespace, name);
        const found = secret && credentialsFor(reference, secret);
        if (found) return found;
      }
      return undefined;
    } finally {
      this.#options.sources.release(`${uid}/images`);
    }
  }

  #fault(error: unknown, reference: string, say: Say): ImageOutcome {
    const { clock } = this.#options;
    const words = messageOf(error);
    if (error instanceof ImageError && error.code === 'InvalidReference') {
      const message = `Failed to apply default image tag "${reference}": couldn't parse image name "${reference}": invalid reference format`;
      say('Warning', 'InspectFailed', message);
      say('Warning', 'Failed', 'Error: InvalidImageName');
      return { failed: { reason: 'InvalidImageName', message }, retryAtMs: clock.now() + MAX_BACKOFF_MS };
    }
    const delayMs = Math.min(
      MAX_BACKOFF_MS,
      (this.#backoffs.get(reference)?.delayMs ?? FIRST_BACKOFF_MS / 2) * 2,
    );
    if (this.#backoffs.size >= MAX_BACKOFFS) this.#backoffs.clear();
    this.#backoffs.set(reference, { delayMs, untilMs: clock.now() + delayMs, message: words });
    say('Warning', 'Failed', `Failed to pull image "${reference}": ${words}`);
    say('Warning', 'Failed', 'Error: ErrImagePull');
    return { failed: { reason: 'ErrImagePull', message: words }, retryAtMs: clock.now() + SHOW_ERROR_MS };
  }

  #sayFor(pod: Pod, container: Container): Say {
    const path = fieldPath(pod, container.name);
    return (type, reason, message) => this.#options.recorder.record(pod, type, { reason, message }, path);
  }
}

type Say = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

type Policy = 'Always' | 'IfNotPresent' | 'Never';

/** Nodes that an event names. */
const MAX_NAMED = 3;

function origin(nodes: readonly string[]): string {
  if (nodes.length === 0) return '';
  const more = nodes.length > MAX_NAMED ? ` and ${nodes.length - MAX_NAMED} more` : '';
  return ` From node ${nodes.slice(0, MAX_NAMED).join(', ')}${more}.`;
}

/** The server fills the policy in; an image without a tag, or with `latest`, is otherwise asked for each time. */
function pullPolicy(container: Container): Policy {
  const policy = container.imagePullPolicy;
  if (policy === 'Always' || policy === 'IfNotPresent' || policy === 'Never') return policy;
  const name = (container.image ?? '').split('/').at(-1)!;
  return name.includes('@') || (name.includes(':') && !name.endsWith(':latest')) ? 'IfNotPresent' : 'Always';
}

/** A name by digest where there is one: it says where the image came from. */
function imageIdOf(image: Image): string {
  return image.names.find((name) => name.includes('@sha256:')) ?? image.id;
}
