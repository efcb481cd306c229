/** Which globals a pickle may import where the operator allowed pickles with an allow-list. */
export interface GlobalsPolicy {
  /** Full names of classes and functions. */
  readonly exact: readonly string[];
  /** Regular expressions, read alike by JavaScript and Python, that a class's full name must match as a whole. */
  readonly classes: readonly string[];
  /** The same for functions. */
  readonly functions: readonly string[];
}

/**
 * What fitted scikit-learn estimators are made of, and nothing that opens files, starts processes or evaluates text.
 * A prefix such as `numpy.` would let in much of that (`numpy.load`, `numpy.memmap`, `numpy.f2py`), so data classes
 * are named one by one. The Python runner is given this list and enforces it; a class must in addition really be a
 * class, and one that its own package defines.
 */
export const SAFE_GLOBALS: GlobalsPolicy = Object.freeze({
  exact: [
    ...['set', 'frozenset', 'dict', 'list', 'tuple', 'int', 'float', 'complex', 'bool', 'str', 'bytes', 'bytearray']
      .concat('slice', 'range', 'object')
      .flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
    'collections.OrderedDict',
    'collections.defaultdict',
    'collections.deque',
    'copyreg._reconstructor',
    'copy_reg._reconstructor',
    '_codecs.encode',
    'joblib.numpy_pickle.NumpyArrayWrapper',
    'numpy.dtype',
    'numpy.ndarray',
    'numpy.matrix',
    'numpy.ma.MaskedArray',
    ...['numpy.core', 'numpy._core'].flatMap((core) => [
      `${core}.multiarray._reconstruct`,
      `${core}.multiarray.scalar`,
      `${core}.numeric._frombuffer`,
    ]),
    'numpy.random._pickle.__randomstate_ctor',
    'numpy.random._pickle.__bit_generator_ctor',
    'numpy.random._pickle.__generator_ctor',
    'sklearn.utils._bunch.Bunch',
  ],
  classes: [
    String.raw`numpy\.(bool_?|u?int(8|16|32|64)|float(16|32|64|128)|longdouble|complex(64|128)|str_|bytes_|datetime64)`,
    String.raw`numpy\.dtypes\.\w+DType`,
    String.raw`numpy\.random\.(_\w+|mtrand|bit_generator)\.(RandomState|Generator|MT19937|PCG64|PCG64DXSM|Philox|SFC64|SeedSequence)`,
    String.raw`scipy\.sparse\.(_\w+\.)?(csr|csc|coo|bsr|dia|dok|lil)_(matrix|array)`,
    String.raw`scipy\.interpolate\._\w+\.(interp1d|BSpline|PPoly)`,
    String.raw`sklearn\.(?!datasets\.|externals\.|experimental\.|utils\._testing)(?!.*\.tests\.)[\w.]+\._*[A-Z]\w*`,
  ],
  functions: [
    String.raw`sklearn\.(?!.*\.tests\.)[\w.]+\.(__pyx_unpickle_\w+|newObj)`,
    String.raw`numpy\.random\.bit_generator\.__pyx_unpickle_SeedSequence`,
  ],
});

const patterns = [...SAFE_GLOBALS.classes, ...SAFE_GLOBALS.functions].map((text) => new RegExp(`^(?:${text})$`));

/** True if the name of a global is on the allow-list; whether it is what its name says is seen when it is loaded. */
export function isSafeGlobal(name: string): boolean {
  return SAFE_GLOBALS.exact.includes(name) || patterns.some((pattern) => pattern.test(name));
}
