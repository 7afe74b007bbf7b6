"""Writes vectors.json: logits and labels, and what scikit-learn and SciPy say of them.

    pip install scikit-learn==1.9.1
    python make_vectors.py > vectors.json
"""
import json
import math
import warnings

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn.calibration import _TemperatureScaling, calibration_curve
from sklearn.metrics import (accuracy_score, confusion_matrix, f1_score, log_loss,
                             precision_recall_fscore_support)

warnings.filterwarnings('ignore')
rng = np.random.default_rng(7)
bins = 15


def sampled(images, classes, sureness, empty=None, unasked=None, skill=1.5):
    labels = rng.integers(0, classes, images)
    if empty is not None:
        labels[labels == empty] = (empty + 1) % classes
    logits = rng.normal(size=(images, classes)) + skill * np.eye(classes)[labels]
    logits *= sureness
    if unasked is not None:
        logits[:, unasked] = logits.min() - 1
    return labels, np.round(logits, 4)


def known(values):
    return [None if math.isnan(value) else float(value) for value in values]


def case(name, labels, logits):
    logits = np.asarray(logits, np.float32).astype(np.float64)
    images, classes = logits.shape
    ids = np.arange(classes)
    answers = logits.argmax(1)
    probabilities = softmax(logits, axis=1)
    confidence = probabilities.max(1)
    right = answers == labels
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, answers, labels=ids, zero_division=np.nan)
    share, mean = calibration_curve(right, confidence, n_bins=bins, strategy='uniform')
    held = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence), minlength=bins)
    held = held[held > 0]

    def loss(log_beta):
        return -log_softmax(logits * np.exp(log_beta), axis=1)[np.arange(images), labels].mean()

    best = minimize_scalar(loss, bounds=(np.log(1 / 20), np.log(1 / 0.05)), method='bounded',
                           options={'xatol': 1e-12})
    interval = binomtest(int(right.sum()), images).proportion_ci(method='wilson')
    scaling = _TemperatureScaling().fit(logits, labels) if len(set(labels)) == classes else None
    return {
        'name': name, 'classes': classes, 'labels': labels.tolist(),
        'logits': [round(float(v), 4) for v in logits.ravel()],
        'confusion': confusion_matrix(labels, answers, labels=ids).ravel().tolist(),
        'byRow': confusion_matrix(labels, answers, labels=ids, normalize='true').ravel().tolist(),
        'byColumn': confusion_matrix(labels, answers, labels=ids, normalize='pred').ravel().tolist(),
        'precision': known(precision), 'recall': known(recall), 'f1': known(f1), 'support': support.tolist(),
        'macroF1': float(f1_score(labels, answers, labels=ids, average='macro', zero_division=np.nan)),
        'accuracy': float(accuracy_score(labels, answers)), 'interval': [interval.low, interval.high],
        'confidence': confidence.tolist(),
        'reliability': {'images': held.tolist(), 'accuracy': share.tolist(), 'confidence': mean.tolist()},
        'ece': float((held * np.abs(share - mean)).sum() / images),
        'loss': float(log_loss(labels, probabilities, labels=ids)),
        'temperature': float(np.exp(-best.x)), 'tempered': float(best.fun),
        'sklearnTemperature': None if scaling is None else float(1 / scaling.beta_),
    }


ties = np.zeros((6, 3))
ties[3:, 1:] = 2
cases = [
    case('too sure', *sampled(120, 4, 3.0)),
    case('not sure enough', *sampled(90, 5, 0.4, skill=3)),
    case('a class without images, one that is never answered', *sampled(150, 7, 1.5, empty=2, unasked=5)),
    case('ties', np.array([0, 1, 2, 1, 2, 0]), ties),
    case('two classes', *sampled(40, 2, 2.0)),
]
print(json.dumps({'cases': cases}))
