"""train/golden.py: seeded random weights and what PyTorch makes of them, to test other programs.

    python3 -m train.golden --out FOLDER [--variant frequency] [--frames 32] [--weights FILE.pt]

FOLDER/weights.safetensors holds f16 weights; FOLDER/reference.safetensors f32
arrays of one patch: `bands`, `shares`, `planes`, the output of every layer by
its module's name (`down.0`, `stage.1.0`, `up.0`, ..., each [channels][frames][bands]),
`head` (logits before the prior) and `masks`.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import pathlib

import torch

from . import export, networks, safetensors

SPREAD = 0.15  # of scales and shifts about their starting values
LOGITS = 0.05  # deviation of the head's weights, which start at zero in training


def shaken(net, seed):
    """Random values in every tensor, of magnitudes as training leaves them, rounded to f16."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net.trust.copy_(torch.rand(net.trust.shape, generator=chance))
        for name, tensor in net.named_parameters():
            noise = torch.randn(tensor.shape, generator=chance)
            if name.startswith("head.conv.weight"):
                tensor.copy_(LOGITS * noise)
            elif tensor.ndim > 2 or name.endswith("wards.weight"):
                tensor.copy_(noise * (1.6 / tensor[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                tensor.copy_(SPREAD * noise)  # PyTorch's own start is another chance
            else:
                tensor.add_(SPREAD * noise)
    return rounded(net)


def rounded(net):
    with torch.no_grad():
        for tensor in (*net.parameters(), net.trust):
            tensor.copy_(tensor.half().float())
    return net


def patch(frames, seed):
    """Band magnitudes with a mean of 1 and a wide spread, and shares that add up to 1."""
    chance = torch.Generator().manual_seed(seed)
    shape = (1, networks.PLANES, frames, networks.BANDS)
    bands = torch.exp(1.5 * torch.randn(shape, generator=chance))
    shares = torch.softmax(2 * torch.randn(shape, generator=chance), dim=1)
    return bands / bands[:, :2].mean(), shares


@torch.no_grad()
def reference(net, bands, shares):
    """Arrays by name."""
    out, hooks = {}, []

    def keeper(name):
        def keep(_module, _inputs, output):
            out[name] = output[0].contiguous().numpy()

        return keep

    for name, module in net.named_modules():
        layer = name.count(".") == (2 if name.startswith("stage") else 1)
        if layer and name.split(".")[0] in ("down", "stage", "up") or name == "head":
            hooks.append(module.register_forward_hook(keeper(name)))
    out["masks"] = net(bands, shares)[0].contiguous().numpy()
    for hook in hooks:
        hook.remove()
    out["planes"] = net.planes(bands, shares)[0].contiguous().numpy()
    return out | {"bands": bands[0].numpy(), "shares": shares[0].numpy()}


def main():
    parser = argparse.ArgumentParser(description="Weights and reference outputs for tests.")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--variant", choices=networks.VARIANTS, default="frequency")
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", help="a state dictionary; random ones without it")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    net = networks.build(args.variant)
    if args.weights:
        net.load_state_dict(torch.load(args.weights))
        rounded(net)
    else:
        shaken(net, args.seed)
    notes = {"spotai.architecture": export.ARCHITECTURE, "spotai.params": json.dumps(export.parameters())}
    halves = safetensors.halves(net.state_dict())
    safetensors.write(args.out / "weights.safetensors", halves, notes)
    arrays = reference(net, *patch(args.frames, args.seed))
    safetensors.write(args.out / "reference.safetensors", arrays, {"frames": str(args.frames)})


if __name__ == "__main__":
    main()
