import { ModelkeepError } from '../core/index.js';

/** What a layer does to each of its numbers. */
export type Activation = (x: number) => number;

/** The error function, by formula 7.1.26 of Abramowitz and Stegun (1964): within 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const sigmoid: Activation = (x) => 1 / (1 + Math.exp(-x));
/** log(1 + exp(x)), without overflow. */
const softplus: Activation = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp = (x: number, least: number, most: number): number => Math.min(Math.max(x, least), most);

/** The constants of Klambauer et al., "Self-Normalizing Neural Networks" (2017). */
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Activations of torch.nn by the names of their classes, with the default arguments of their constructors. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  Identity: (x) => x,
  Tanh: Math.tanh,
  ReLU: (x) => Math.max(x, 0),
  ReLU6: (x) => clamp(x, 0, 6),
  LeakyReLU: (x) => (x >= 0 ? x : 0.01 * x),
  GELU: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  Sigmoid: sigmoid,
  SiLU: (x) => x * sigmoid(x),
  Mish: (x) => x * Math.tanh(softplus(x)),
  ELU: (x) => (x > 0 ? x : Math.expm1(x)),
  SELU: (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
  Softplus: softplus,
  Softsign: (x) => x / (1 + Math.abs(x)),
  LogSigmoid: (x) => -softplus(-x),
  Hardtanh: (x) => clamp(x, -1, 1),
  Hardsigmoid: (x) => clamp(x / 6 + 0.5, 0, 1),
  Hardswish: (x) => x * clamp(x / 6 + 0.5, 0, 1),
  Tanhshrink: (x) => x - Math.tanh(x),
};

/** An activation and the name of its class. */
export interface NamedActivation {
  readonly name: string;
  readonly apply: Activation;
}

/** The activation of torch.nn with this name. */
export function activationNamed(name: 'Tanh' | 'Sigmoid' | 'Identity'): NamedActivation {
  return { name, apply: ACTIVATIONS[name] ?? ((x) => x) };
}

/**
 * The activation of a class of torch.nn, such as `torch.nn.modules.activation.Tanh`. Only torch's own: a class of the same
 * name elsewhere would be custom code.
 *
 * @param place where it is named, for the message
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for any other, with the list of those that there are
 */
export function activationOf(place: string, path: unknown): NamedActivation {
  const name = typeof path === 'string' && path.startsWith('torch.nn.') ? path.slice(path.lastIndexOf('.') + 1) : '';
  const apply = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (apply !== undefined) return { name, apply };
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${place} ${JSON.stringify(path)} is not supported; supported of torch.nn: ${Object.keys(ACTIVATIONS).join(', ')}`,
  );
}
