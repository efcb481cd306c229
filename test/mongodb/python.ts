import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a Python program that needs no more than pymongo; resolves to what it printed. */
export async function runPython(args: readonly string[]): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/mongodb-server.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findPython(): Promise<string> };
  const { stdout } = await run(await module.findPython(), [...args], { timeout: 30_000 });
  return stdout.trim();
}

/**
 * A program that reads the newest file of a model as the seed's own reader does (newest `_id` by file name and upload
 * date, then the whole file) and prints the id and the sha256. Arguments: URI, model name.
 */
export const READ_NEWEST = `
import hashlib, sys, gridfs
from pymongo import MongoClient
with MongoClient(sys.argv[1]) as client:
    db = client["test_database"]
    rows = list(db["fs.files"].find({"filename": sys.argv[2]}, {"_id": 1}).sort("uploadDate", -1).limit(1))
    file_id = rows[0]["_id"]
    print(file_id, hashlib.sha256(gridfs.GridFS(db).get(file_id).read()).hexdigest())
`;
