/**
 * The status that an object of a user has until a controller acts on it: of no generation, so that who
 * waits by the rules of kstatus does not take an object for done that nobody has looked at yet.
 */
export function unobserved<S extends { observedGeneration?: number | undefined }>(
  status: S | undefined,
): S | { observedGeneration: number } {
  return status ?? { observedGeneration: -1 };
}
