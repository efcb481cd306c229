import { ModelkeepError } from '../../../core/index.js';
import { fieldsIn, type Field } from '../../../formats/index.js';

/** A token of a sentencepiece model. */
export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly type: number;
}

/** Kinds of pieces that are tokens by themselves, whatever stands around them. */
export const CONTROL = 3;
export const USER_DEFINED = 4;

/** What is needed of a sentencepiece model. */
export interface SentencePiece {
  readonly pieces: readonly Piece[];
  readonly kind: 'unigram' | 'bpe';
  readonly unkId: number;
  readonly unkPiece: string;
  /** Whether bytes stand for unknown characters. */
  readonly byteFallback: boolean;
  /** How characters are replaced before all else, as base64; empty if they are not. */
  readonly charsMap: string;
}

/** Most tokens of a model: some times the largest in use. */
const MAX_PIECES = 2_000_000;
/** Longest token in bytes. */
const MAX_PIECE_BYTES = 4_096;

/** Fields of the messages in sentencepiece_model.proto. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { kind: 3, byteFallback: 35, unkId: 40, unkPiece: 45 } as const;
const CHARS_MAP = 2;
const UNIGRAM = 1;
const BPE = 2;

/**
 * Reads a sentencepiece model.
 *
 * @param path its name, for messages
 * @throws ModelkeepError `INVALID_ARTIFACT` if it is damaged, `UNSUPPORTED_FORMAT` for other kinds than Unigram and BPE
 */
export function readSentencePiece(path: string, bytes: Uint8Array): SentencePiece {
  const fail = (why: string, cause?: unknown): ModelkeepError =>
    new ModelkeepError('INVALID_ARTIFACT', `${path} is no sentencepiece model: ${why}. Save the tokenizer again`, {
      cause,
    });
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  const text = (message: Uint8Array, { start, end }: Field): string => utf8.decode(message.subarray(start, end));
  const pieces: Piece[] = [];
  let kind = UNIGRAM;
  let unkId = 0;
  let unkPiece = '<unk>';
  let byteFallback = false;
  let charsMap = '';
  const readPiece = (message: Uint8Array): Piece => {
    const piece = { text: '', score: 0, type: 1 };
    for (const field of fieldsIn(message)) {
      if (field.field === PIECE.text) {
        if (field.end - field.start > MAX_PIECE_BYTES) throw fail(`a token has ${field.end - field.start} bytes`);
        piece.text = text(message, field);
      } else if (field.field === PIECE.score && field.value === 4) {
        const view = new DataView(message.buffer, message.byteOffset + field.start, 4);
        piece.score = view.getFloat32(0, true);
      } else if (field.field === PIECE.type) piece.type = field.value;
    }
    if (!Number.isFinite(piece.score)) throw fail(`the score of ${JSON.stringify(piece.text)} is ${piece.score}`);
    return piece;
  };
  try {
    for (const field of fieldsIn(bytes)) {
      const message = bytes.subarray(field.start, field.end);
      if (field.field === MODEL.pieces) {
        if (pieces.push(readPiece(message)) > MAX_PIECES) throw fail(`it has more than ${MAX_PIECES} tokens`);
      } else if (field.field === MODEL.trainer) {
        for (const inner of fieldsIn(message)) {
          if (inner.field === TRAINER.kind) kind = inner.value;
          else if (inner.field === TRAINER.byteFallback) byteFallback = inner.value !== 0;
          else if (inner.field === TRAINER.unkId) unkId = inner.value;
          else if (inner.field === TRAINER.unkPiece) unkPiece = text(message, inner);
        }
      } else if (field.field === MODEL.normalizer) {
        for (const inner of fieldsIn(message)) {
          if (inner.field === CHARS_MAP)
            charsMap = Buffer.from(message.subarray(inner.start, inner.end)).toString('base64');
        }
      }
    }
  } catch (error) {
    if (error instanceof ModelkeepError && error.message.startsWith(path)) throw error;
    throw fail('its parts do not fit together', error);
  }
  if (pieces.length === 0) throw fail('it has no tokens');
  if (kind !== UNIGRAM && kind !== BPE) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${path} was trained as kind ${kind} of sentencepiece; only Unigram (1) and BPE (2) are served`,
    );
  }
  return { pieces, kind: kind === BPE ? 'bpe' : 'unigram', unkId, unkPiece, byteFallback, charsMap };
}
