import type { Pressure, PressureLine } from './contract.ts';

/** One file of pressure. Source: kernel documentation, "PSI": `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. */
export function parsePressure(text: string): Pressure[keyof Pressure] {
  return { some: line(text, 'some'), full: line(text, 'full') };
}

/** `some` and `full` of each resource; left out for the CPU of whole machines before Linux 5.13, which reads as nothing waited. */
function line(text: string, kind: 'some' | 'full'): PressureLine {
  const found = new RegExp(`^${kind} (.*)$`, 'm').exec(text)?.[1] ?? '';
  const value = (name: string) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(found)?.[1] ?? 0);
  return {
    avg10: value('avg10'),
    avg60: value('avg60'),
    avg300: value('avg300'),
    totalUs: value('total'),
  };
}

const RESOURCES = ['cpu', 'memory', 'io'] as const;

/**
 * All three of a node (`/proc/pressure/cpu`) or a group (`<group>/cpu.pressure`); undefined where the kernel keeps none
 * (psi=0), has switched it off for the group, or the group is gone.
 */
export async function readPressure(
  read: (resource: (typeof RESOURCES)[number]) => Promise<string>,
): Promise<Pressure | undefined> {
  try {
    const [cpu, memory, io] = (await Promise.all(RESOURCES.map(read))).map(parsePressure);
    return { cpu: cpu!, memory: memory!, io: io! };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'EOPNOTSUPP', 'ENODEV'].includes(code)) return undefined;
    throw error;
  }
}
