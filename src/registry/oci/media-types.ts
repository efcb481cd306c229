/**
 * Media types and annotation keys of the ModelPack specification (modelpack/model-spec, specs-go/v1) and of the OCI
 * image specification. Each file of a version is one layer, neither archived nor compressed ("raw").
 */
export const OCI = Object.freeze({
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  artifact: 'application/vnd.cncf.model.manifest.v1+json',
  config: 'application/vnd.cncf.model.config.v1+json',
  weight: 'application/vnd.cncf.model.weight.v1.raw',
  weightConfig: 'application/vnd.cncf.model.weight.config.v1.raw',
  doc: 'application/vnd.cncf.model.doc.v1.raw',
  filePath: 'org.cncf.model.filepath',
  refName: 'org.opencontainers.image.ref.name',
  title: 'org.opencontainers.image.title',
  created: 'org.opencontainers.image.created',
  version: 'org.opencontainers.image.version',
  description: 'org.opencontainers.image.description',
  /** Ours: what else the store knows of the version, as JSON. */
  record: 'io.modelkeep.record',
});

/** The file of a layout that holds the version's manifest, so that it comes back cut at the same places. */
export const MANIFEST_PATH = '.modelkeep/manifest.json';
/** The layout that this software reads and writes. */
export const LAYOUT_VERSION = '1.0.0';

const WEIGHTS = /\.(safetensors|onnx|onnx_data|data|joblib|pkl|pickle|skops|bin)$/i;
const DOCUMENTS = /(^|\/)(readme|license|licence|notice|model_card)([^/]*)$|\.md$/i;

/** The media type of a file's layer. */
export function mediaTypeOf(path: string): string {
  if (WEIGHTS.test(path)) return OCI.weight;
  return DOCUMENTS.test(path) || path === MANIFEST_PATH ? OCI.doc : OCI.weightConfig;
}

/** A descriptor, as the OCI image specification has it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image manifest of a ModelPack artifact. */
export interface OciManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** `index.json` of a layout. */
export interface OciIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
}
