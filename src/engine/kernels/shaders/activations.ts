// The activation of the MLP and its derivative, as WGSL functions `act` and `actGradient`.
//
// Exact GELU is x Phi(x) with Phi(x) = (1 + erf(x / sqrt 2)) / 2; its derivative Phi(x) + x phi(x). WGSL has
// no erf: this is the rational approximation of Eigen and XLA (odd polynomial over even polynomial on [-4,
// 4]), within 3e-7 of erf in float32, without an exponential. The tanh approximation and CLIP's quick GELU:
// see autodiff/activations.ts. Arguments of tanh are clamped: implementations overflow beyond 44 or so.
import type { Activation } from '../../../vit/vit-config.ts';

const gelu = /* wgsl */ `
fn gauss(x: vec4f) -> vec4f { // Phi
  let t = clamp(x * 0.70710678118, vec4f(-4.0), vec4f(4.0));
  let s = t * t;
  var p = vec4f(-2.72614225801306e-10);
  p = p * s + 2.77068142495902e-08;
  p = p * s - 2.10102402082508e-06;
  p = p * s - 5.69250639462346e-05;
  p = p * s - 7.34990630326855e-04;
  p = p * s - 2.95459980854025e-03;
  p = p * s - 1.60960333262415e-02;
  var q = vec4f(-1.45660718464996e-05);
  q = q * s - 2.13374055278905e-04;
  q = q * s - 1.68282697438203e-03;
  q = q * s - 7.37332916720468e-03;
  q = q * s - 1.42647390514189e-02;
  return 0.5 + 0.5 * (t * p / q);
}
fn act(x: vec4f) -> vec4f { return x * gauss(x); }
fn actGradient(x: vec4f) -> vec4f { return gauss(x) + x * (0.39894228040 * exp(-0.5 * x * x)); }
`;

const geluTanh = /* wgsl */ `
fn bend(x: vec4f) -> vec4f { return tanh(clamp(x * (0.79788456080 + 0.03567740814 * x * x), vec4f(-15.0), vec4f(15.0))); }
fn act(x: vec4f) -> vec4f { return 0.5 * x * (1.0 + bend(x)); }
fn actGradient(x: vec4f) -> vec4f {
  let t = bend(x);
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (0.79788456080 + 0.10703222443 * x * x);
}
`;

const quickGelu = /* wgsl */ `
fn sigmoid(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(clamp(-1.702 * x, vec4f(-80.0), vec4f(80.0)))); }
fn act(x: vec4f) -> vec4f { return x * sigmoid(x); }
fn actGradient(x: vec4f) -> vec4f {
  let s = sigmoid(x);
  return s + 1.702 * x * s * (1.0 - s);
}
`;

export const activationFunctions: Readonly<Record<Activation, string>> = {
  gelu,
  'gelu-tanh': geluTanh,
  'quick-gelu': quickGelu,
};
