/** Most workgroups along one axis. */
export const MAX_WORKGROUPS = 65535;

/**
 * Folds a flat workgroup count that exceeds one dimension's limit into two. Kernels recover the flat index as
 * `workgroup_id.y * num_workgroups.x + workgroup_id.x` and must ignore the excess.
 */
export function foldWorkgroups(count: number, limit = MAX_WORKGROUPS): [number, number] {
  if (count <= limit) return [count, 1];
  const y = Math.ceil(count / limit);
  return [Math.ceil(count / y), y];
}
