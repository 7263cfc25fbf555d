/** Why a node takes no pod that asks for it; `message` in the words of the kubelet. */
export interface Rejection {
  reason: 'SysctlForbidden' | 'AppArmor' | 'SELinux' | 'Evicted' | 'NodeShutdown';
  message: string;
}
