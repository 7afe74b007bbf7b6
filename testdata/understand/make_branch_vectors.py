"""Writes branch-vectors.json: factors of low-rank updates with what NumPy says of the products that they make, and
intervals for pairs with what SciPy says of them. The paired interval of shares is found without its closed form: the
nuisance share is the numerical maximum of the likelihood.

    pip install numpy==2.4.6 scipy==1.17.1
    python make_branch_vectors.py > branch-vectors.json
"""
import json

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import t

rng = np.random.default_rng(11)
z = 1.959963984540054


def factors(out, inner, rank, scale=1.0):
    A = (rng.normal(size=(rank, inner)) * scale).astype(np.float32)
    B = rng.normal(size=(out, rank)).astype(np.float32)
    return A, B


def erank(values):
    values = values[values > 0]
    p = values / values.sum()
    return float(np.exp(-(p * np.log(p)).sum())) if len(p) else 0.0


def case(name, branches):
    updates = [B.astype(np.float64) @ A.astype(np.float64) for A, B in branches]
    values = np.linalg.svd(sum(updates), compute_uv=False)
    values[values < 1e-12 * max(values[0], 1e-300)] = 0
    norms = [np.linalg.norm(u) for u in updates]
    cosines = [[None if a * b == 0 else float((u * v).sum() / (a * b)) for v, b in zip(updates, norms)]
               for u, a in zip(updates, norms)]
    return {
        'name': name,
        'branches': [{'shapes': [list(A.shape), list(B.shape)], 'A': A.flatten().tolist(), 'B': B.flatten().tolist()}
                     for A, B in branches],
        'cosines': cosines,
        'singularValues': values.tolist(),
        'effectiveRank': erank(values),
    }


def rounded(branches):
    return [(np.round(A, 3).astype(np.float32), np.round(B, 3).astype(np.float32)) for A, B in branches]


four = rounded([factors(10, 7, 2), factors(10, 7, 2, 0.2), factors(10, 7, 2), factors(10, 7, 2)])
A, B = four[0]
cases = [
    case('four branches', four),
    case('more directions than rows', rounded([factors(5, 6, 4), factors(5, 6, 4)])),
    case('one direction', rounded([factors(6, 8, 1)])),
    case('the same twice', [(A, B), (A, B)]),
    case('against each other', [(A, B), (-A, B), four[1]]),
    case('one that adds nothing', [(A, B), (A, np.zeros_like(B))]),
    case('nothing', [(A, np.zeros_like(B))]),
    case('turned factors of the same update', [(A, B), (A[::-1].copy(), B[:, ::-1].copy())]),
]


def likeliest(lost, gained, n, d):
    """Share of the lost ones that is likeliest where the difference of the shares is d."""
    low, high = max(0.0, -d), (1 - d) / 2
    def loss(q):
        tiny = 1e-300
        return -(lost * np.log(max(q, tiny)) + gained * np.log(max(q + d, tiny))
                 + (n - lost - gained) * np.log(max(1 - 2 * q - d, tiny)))
    found = minimize_scalar(loss, bounds=(low, high), method='bounded', options={'xatol': 1e-13}).x
    return min((low, high, found), key=loss)


def score(lost, gained, n, d):
    q = likeliest(lost, gained, n, d)
    spread = np.sqrt(max(n * (2 * q + d - d * d), 1e-300))
    return (gained - lost - n * d) / spread


def paired(lost, gained, n):
    middle = (gained - lost) / n
    low = -1.0 if middle == -1 else brentq(lambda d: score(lost, gained, n, d) - z, -1 + 1e-9, middle - 1e-9)
    high = 1.0 if middle == 1 else brentq(lambda d: score(lost, gained, n, d) + z, middle + 1e-9, 1 - 1e-9)
    return {'lost': lost, 'gained': gained, 'n': n, 'interval': [low, high]}


values = np.round(rng.normal(0.1, 0.5, 23), 4)
half = t.ppf(0.975, 22) * values.std(ddof=1) / np.sqrt(23)
print(json.dumps({
    'cases': cases,
    'paired': [paired(*given) for given in
               [(4, 1, 80), (0, 0, 80), (12, 2, 50), (0, 3, 6), (80, 0, 80), (0, 6, 6), (30, 31, 1000), (1, 0, 1)]],
    'student': [[int(k), float(t.ppf(0.975, k))] for k in (1, 2, 3, 4, 5, 10, 30, 79, 1000)],
    'mean': {'values': values.tolist(), 'interval': [float(values.mean() - half), float(values.mean() + half)]},
}))
