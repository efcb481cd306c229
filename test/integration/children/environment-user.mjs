/**
 * Takes a Python environment into use, says so with a line on standard output, and keeps it until it is killed.
 *
 * Arguments: the Python program, the folder of the environments, the folder of wheels, one requirement.
 */
import { PythonEnvironments } from '../../../dist/runners/index.js';

const [python = '', directory = '', wheelhouse = '', requirement = ''] = process.argv.slice(2);
const environments = new PythonEnvironments({ python, directory, wheelhouse });
await environments.ensure([requirement], new AbortController().signal);
process.stdout.write('used\n');
process.stdin.resume();
