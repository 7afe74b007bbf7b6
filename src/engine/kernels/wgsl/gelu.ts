// Exact GELU, x Phi(x) with Phi(x) = (1 + erf(x / sqrt 2)) / 2, and its derivative Phi(x) + x phi(x). WGSL has no erf:
// this is the rational approximation of Eigen and XLA (odd polynomial over even polynomial on [-4, 4]), within 3e-7 of
// erf in float32, without an exponential.

export const geluFunctions = /* wgsl */ `
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
fn gelu(x: vec4f) -> vec4f { return x * gauss(x); }
fn geluGradient(x: vec4f) -> vec4f { return gauss(x) + x * (0.39894228040 * exp(-0.5 * x * x)); }
`;
