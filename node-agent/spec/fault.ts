/** Why a container cannot be made from its spec. `CreateContainerConfigError` may heal: the agent tries again. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError' | 'RunContainerError';
  constructor(message: string, reason: ConfigFault['reason'] = 'CreateContainerConfigError') {
    super(message);
    this.reason = reason;
  }
}
