/**
 * Where Kubernetes' validation does not do what the field table suggests, and why. Keys are names of the table:
 * `io.k8s.api.core.v1.Container.image`.
 */
type Exceptions = ReadonlyMap<string, string>;

/** Required in the schema, but an object without it is taken. */
export const MAY_BE_MISSING: Exceptions = new Map([]);

/** Strings with known values, where Kubernetes takes others too. */
export const OPEN_ENUMS: Exceptions = new Map([]);

/** Fields that no sound object of ours has. */
export const NOT_IN_SPECIMENS: Exceptions = new Map([]);
