"""The pieces of one TRPO step: the Fisher product, conjugate gradient, and the whole update, in one run.

A batch of 5000 observations of length 11, a policy 11-64-64-3 with Gaussian actions, float32, one thread:

    fisher product     JᵀMJv by `ck.gauss_newton_operator`, beside torch's double backward through the mean KL, as
                       Spinning Up and sb3-contrib compute it, and autograd's own double backward
    ten iterations     of conjugate gradient, set-up included
    update             all of `trpo_update`

    python benchmarks/trpo_step.py --out benchmarks/results/trpo

The products are checked against each other before they are timed; methods take turns. Without torch its rows are left
out, and the script says so. Times are processor time, median and quartiles.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
import convexkit as ck
from benchmarks.measuring import limited_threads
from case_studies.trpo.objectives import fisher_operator, mean_kl, surrogate_loss
from case_studies.trpo.policies import Policy
from case_studies.trpo.update import trpo_update

COLUMNS = ["what", "method", "batch", "parameters", "repeats", "median_ms", "quartile1_ms", "quartile3_ms"]
OBSERVATIONS, ACTIONS = 11, 3


def setting(batch: int) -> tuple[Policy, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Policy, theta, observations, actions, advantages."""
    rng = np.random.default_rng(0)
    policy = Policy.continuous(OBSERVATIONS, ACTIONS)
    theta = policy.initial(rng) + np.float32(0.1) * rng.standard_normal(policy.size).astype(np.float32)
    observations = rng.standard_normal((batch, OBSERVATIONS)).astype(np.float32)
    actions = rng.standard_normal((batch, ACTIONS)).astype(np.float32)
    return policy, theta, observations, actions, rng.standard_normal(batch)


def torch_product(policy: Policy, theta: np.ndarray, observations: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """v -> ∇²(mean KL)v by two backward passes: the graph of the first gradient is built once, as the peers do."""
    import torch

    torch.set_num_threads(1)
    parameters = []
    for W, b in policy.network.layers(theta):
        parameters += [torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)]
    log_std = torch.tensor(theta[policy.network.size:], requires_grad=True)
    x = torch.tensor(observations)
    h = torch.tanh(x @ parameters[0] + parameters[1])
    h = torch.tanh(h @ parameters[2] + parameters[3])
    mean = h @ parameters[4] + parameters[5]
    new = torch.distributions.Normal(mean, log_std.exp().expand_as(mean))
    old = torch.distributions.Normal(mean.detach(), log_std.detach().exp().expand_as(mean))
    kl = torch.distributions.kl_divergence(old, new).sum(dim=1).mean()
    everything = [*parameters, log_std]
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(kl, everything, create_graph=True)])

    def product(v: np.ndarray) -> np.ndarray:
        second = torch.autograd.grad(gradient @ torch.from_numpy(v), everything, retain_graph=True)
        result: np.ndarray = torch.cat([g.reshape(-1) for g in second]).numpy()
        return result

    return product


def race(what: str, methods: dict[str, Callable[[], Any]], batch: int, size: int, repeats: int) -> list[dict[str, Any]]:
    """Processor times of methods that take turns."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, call in methods.items():
            started = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - started))
    rows = []
    for name, measured in times.items():
        low, median, high = np.quantile(measured, [0.25, 0.5, 0.75])
        rows.append({"what": what, "method": name, "batch": batch, "parameters": size, "repeats": repeats,
                     "median_ms": f"{median:.3f}", "quartile1_ms": f"{low:.3f}", "quartile3_ms": f"{high:.3f}"})
        print(*rows[-1].values(), flush=True)
    return rows


def run(batch: int, repeats: int) -> list[dict[str, Any]]:
    """All rows."""
    policy, theta, observations, actions, advantages = setting(batch)
    v = np.random.default_rng(1).standard_normal(policy.size).astype(np.float32)
    outputs = policy.outputs(theta, observations)
    kl = mean_kl(policy, observations, outputs)
    loss = surrogate_loss(policy, observations, actions, advantages, outputs)
    fisher = fisher_operator(policy, observations, theta)
    products: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "convexkit": fisher.matvec, "autograd double backward": ck.hessian_operator(kl, theta).matvec}
    try:
        products["torch double backward"] = torch_product(policy, theta, observations)
    except ImportError:
        print("torch is not installed: its rows are left out.")
    for name, product in products.items():
        np.testing.assert_allclose(product(v), fisher @ v, rtol=1e-3, atol=1e-4, err_msg=name)
    rows = race("fisher product", {name: (lambda f=f: f(v)) for name, f in products.items()},  # type: ignore[misc]
                batch, policy.size, repeats)

    def ten_iterations() -> None:
        ck.conjugate_gradient(ck.damped(fisher_operator(policy, observations, theta), 0.1), v, rtol=0.0, maxiter=10)

    rows += race("ten CG iterations", {"convexkit": ten_iterations}, batch, policy.size, max(repeats // 5, 1))
    rows += race("update", {"convexkit": lambda: trpo_update(theta, loss, kl, fisher)}, batch, policy.size,
                 max(repeats // 5, 1))
    return rows


def main() -> None:
    """Run, and write trpo_step.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for trpo_step.csv")
    parser.add_argument("--quick", action="store_true", help="a batch of 200, three repeats")
    arguments = parser.parse_args()
    with limited_threads(1):
        rows = run(200, 3) if arguments.quick else run(5000, 100)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.out / "trpo_step.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"Written to {arguments.out / 'trpo_step.csv'}.")


if __name__ == "__main__":
    main()
