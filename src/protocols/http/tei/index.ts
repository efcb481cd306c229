/** tei/: the HTTP API of Text Embeddings Inference, so that its clients work unchanged. */
export { textEmbeddings, type TextEmbeddingsOptions } from './routes.js';
export { TEI_ACTIONS, type TeiAction } from './actions.js';
