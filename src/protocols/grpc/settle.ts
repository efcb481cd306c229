/** Waits for work and calls exactly one of the two, so that what they throw is not taken for an error of the work. */
export async function settle<T>(
  work: () => Promise<T>,
  onDone: (value: T) => void,
  onError: (error: unknown) => void,
): Promise<void> {
  let value: T;
  try {
    value = await work();
  } catch (error) {
    onError(error);
    return;
  }
  onDone(value);
}
