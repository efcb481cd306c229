/**
 * The folder of a version's own files that say how it is checked. They are part of the version, so that its digest covers
 * them and every copy has them; models never read them.
 */
export const EVIDENCE_FOLDER = '.modelkeep';
/** JSON lines of inputs with the outputs that the model gave where it was trained. */
export const GOLDEN_FILE = `${EVIDENCE_FOLDER}/golden.jsonl`;
/** JSON lines of labelled examples. */
export const EVALUATION_FILE = `${EVIDENCE_FOLDER}/eval.jsonl`;

/** Most golden examples of a version: every node computes them whenever it loads the version. */
export const MAX_GOLDEN_EXAMPLES = 1_000;
/** Largest golden file: 16 MiB. */
export const MAX_GOLDEN_BYTES = 16 * 1024 * 1024;
/** Largest evaluation set: 64 MiB; it is read as a whole. */
export const MAX_EVALUATION_BYTES = 64 * 1024 * 1024;
