/** Whether two values of JSON are equal. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!(a instanceof Object && b instanceof Object)) return false;
  const [left, right] = [Object.entries(a), Object.entries(b)];
  const values = new Map(right);
  return (
    left.length === right.length && left.every(([name, value]) => isEqual(value, values.get(name)))
  );
}
