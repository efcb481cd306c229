/** Who did something, and why. */
export interface Author {
  readonly by?: string;
  readonly message?: string;
}

/** These two fields alone, without those that are not given. */
export function author({ by, message }: Author): Author {
  return { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
}
