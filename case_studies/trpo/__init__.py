"""Trust region policy optimization, put together from the parts of convexkit.

    surrogate loss and mean KL, functions of a flat theta
        -> Taylor models -> trust_region_step -> backtracking with KL as the domain -> new theta

`update.trpo_update` is that line; everything else prepares its input or reports its output. From the command
line: `python -m case_studies.trpo train --env CartPole-v1 --out runs/cartpole`.
"""
