import {
  changeMarks,
  checkAnnotationChange,
  type AnnotationChange,
  type VersionRecord,
  versionName,
  ModelkeepError,
} from '../../core/index.js';
import { together, type Database } from './database.js';
import { toRecord } from './documents.js';
import { insertEvent } from './history.js';
import { getVersion } from './versions.js';

/** Changes tags and annotations by compare-and-set. @throws ModelkeepError as `VersionStore.annotate` */
export async function annotate(
  database: Database,
  { model, version }: { readonly model: string; readonly version: number },
  change: AnnotationChange,
  who: { readonly by?: string; readonly message?: string },
): Promise<VersionRecord> {
  checkAnnotationChange(change);
  const found = await getVersion(database, model, version);
  for (;;) {
    const document = await database.status.findOne({ model_name: model, version });
    if (document === null) throw new ModelkeepError('VERSION_NOT_FOUND', `${versionName(found)} was removed meanwhile`);
    const { marks, changed, added, removed } = changeMarks(document, change);
    if (!changed) return toRecord(document);
    const { _id, marks_revision: revision } = document;
    const unchanged = revision === undefined ? { $exists: false } : revision;
    const written = await together(database, async (session) => {
      const options = session === undefined ? {} : { session };
      const update = { $set: { ...marks, marks_revision: (revision ?? 0) + 1 } };
      const result = await database.status.updateOne({ _id, marks_revision: unchanged }, update, options);
      if (result.modifiedCount === 0) return false;
      await insertEvent(database, { kind: 'annotated', model, version, added, removed, ...who }, session);
      return true;
    });
    if (written) return toRecord({ ...document, ...marks });
  }
}
