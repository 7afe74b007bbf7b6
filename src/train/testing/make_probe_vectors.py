"""Writes probe-vectors.json: random features of several scales with class means, and the logits of the L2-regularised
multinomial logistic regression that torch.optim.LBFGS finds in float64, for the strongest and the weakest decay.

    python make_probe_vectors.py > probe-vectors.json
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
n, width, classes = 48, 6, 4
labels = torch.arange(n) % classes
x = torch.randn(n, width) + 1.2 * torch.eye(classes, width)[labels]
x = x * torch.tensor([1, 2, 0.5, 1, 3, 1]) + torch.tensor([0, 1, -2, 0, 4, 0.3])
features = [round(v, 6) for v in x.flatten().tolist()]
x = torch.tensor(features).view(n, width).float().double()  # as a float32 reader sees them
z = (x - x.mean(0)) / x.std(0, unbiased=False)
fits = []
for strength in (10 ** 0.5, 10 ** -3):
    w = torch.zeros(width + 1, classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=5000, tolerance_grad=1e-12, tolerance_change=1e-15,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(z @ w[:-1] + w[-1], labels) + 0.5 * strength * (w[:-1] ** 2).sum() / classes
        loss.backward()
        return loss
    optimizer.step(closure)
    logits = (z @ w[:-1] + w[-1]).detach()
    logits = logits - logits.mean(1, keepdim=True)
    fits.append({"strength": strength, "logits": [round(v, 6) for v in logits[:12].flatten().tolist()]})
print(json.dumps({"classes": classes, "width": width, "features": features, "labels": labels.tolist(), "fits": fits}))
