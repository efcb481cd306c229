/** Options of `Model.predictMany`. */
export interface ManyOptions {
  /**
   * Requests that are under way at once: enough to keep two runners busy with full batches, and to leave the second
   * batch something to choose from by length.
   *
   * @defaultValue 64
   */
  readonly inFlight?: number;
}

const IN_FLIGHT = 64;

/** What comes first: the next request, or the oldest answer. */
type Step<Request, Answer> =
  | { readonly read: IteratorResult<Request> }
  | { readonly readFailed: { readonly error: unknown } }
  | { readonly answer: Answer };

/**
 * Asks for each request, a bounded number at once, and gives the answers in order, each as soon as it is there.
 *
 * @throws what the first failing `ask`, or reading, throws, after the answers before it
 */
export async function* predictMany<Request, Answer>(
  requests: AsyncIterable<Request> | Iterable<Request>,
  ask: (request: Request) => Promise<Answer>,
  { inFlight = IN_FLIGHT }: ManyOptions = {},
): AsyncGenerator<Answer, void, undefined> {
  const source = iteratorOf(requests);
  const waiting: Promise<Step<Request, Answer>>[] = [];
  let reading: Promise<Step<Request, Answer>> | undefined;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  try {
    for (;;) {
      if (!ended && waiting.length < inFlight) reading ??= readNext(source);
      const candidates = [...waiting.slice(0, 1), ...(reading === undefined ? [] : [reading])];
      if (candidates.length === 0) break;
      const step = await Promise.race(candidates);
      if ('answer' in step) {
        void waiting.shift();
        yield step.answer;
        continue;
      }
      reading = undefined;
      if ('read' in step && step.read.done !== true) waiting.push(answerOf(ask(step.read.value)));
      else ended = true;
      if ('readFailed' in step) failure = step.readFailed;
    }
    if (failure !== undefined) throw failure.error;
  } finally {
    if (!ended) await source.return?.();
  }
}

function iteratorOf<T>(items: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}

async function readNext<Request>(source: AsyncIterator<Request> | Iterator<Request>): Promise<Step<Request, never>> {
  try {
    return { read: await source.next() };
  } catch (error) {
    return { readFailed: { error } };
  }
}

/** The answer as a step. What fails behind one that failed before, or after the reader has gone, is nobody's to handle. */
function answerOf<Answer>(asked: Promise<Answer>): Promise<Step<never, Answer>> {
  const step = asked.then((answer) => ({ answer }));
  step.catch(() => undefined);
  return step;
}
