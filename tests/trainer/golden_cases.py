"""What the scripts that write tables of PyTorch's values share: a list of cases {name, inputs, fixed, y, dy, gradients[, state]}.

Inputs and weights are multiples of 1/64, exact in float32; the loss is the sum of y * dy. Computed in float64, written with 8 digits.
"""
import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)


def steps(*shape, low=-1.0, high=1.0):
    return torch.randint(round(low * 64), round(high * 64) + 1, shape).double() / 64


def distinct(*shape, scale=1 / 64):
    """No two equal, none 0, both signs."""
    count = torch.Size(shape).numel()
    return ((torch.randperm(count) - count // 2).double() + 0.5).reshape(shape) * scale


def pack(t):
    t = t.detach()
    whole = not t.is_floating_point()
    return {"shape": list(t.shape), "data": [int(v) if whole else float(f"{v:.8g}") for v in t.reshape(-1).tolist()]}


class Cases:
    def __init__(self, seed):
        torch.manual_seed(seed)
        self.cases = []

    def add(self, case_name, make, /, inputs=None, gradients=True, state=None, **fixed):
        """make(**inputs, **fixed) gives a tensor or several; those of floats are differentiated."""
        leaves = {k: v.clone().requires_grad_(gradients) for k, v in (inputs or {}).items()}
        made = make(**leaves, **fixed)
        results = list(made) if isinstance(made, (tuple, list)) else [made]
        seeds = [steps(*y.shape) if y.requires_grad else None for y in results]
        if any(s is not None for s in seeds):
            sum((y * s).sum() for y, s in zip(results, seeds) if s is not None).backward()
        case = {"name": case_name, "inputs": {k: pack(v) for k, v in leaves.items()}, "fixed": {k: pack(v) for k, v in fixed.items()},
                "y": [pack(y) for y in results], "dy": [None if s is None else pack(s) for s in seeds],
                "gradients": {k: pack(v.grad) for k, v in leaves.items() if v.grad is not None}}
        self.cases.append(case)
        return case

    def module(self, name, net, inputs=None, call=None, train=True, rename=None, **fixed):
        """A module: its state goes along, and the gradients of its parameters."""
        rename = rename or {}
        with torch.no_grad():
            for p in list(net.parameters()):
                p.copy_((p * 64).round() / 64)
        state = {rename.get(k, k): pack(v.clone()) for k, v in net.state_dict().items() if v.is_floating_point()}
        net.train(train)
        net.zero_grad()
        case = self.add(name, (lambda **t: call(net, **t)) if call else (lambda x: net(x)), inputs, **fixed)
        case["state"] = state
        case["state_gradients"] = {rename.get(k, k): pack(p.grad) for k, p in net.named_parameters() if p.grad is not None}
        case["after"] = {rename.get(k, k): pack(v) for k, v in net.named_buffers() if v.is_floating_point()} if train else {}

    def write(self, file):
        path = pathlib.Path(__file__).parent / "data" / file
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in self.cases)
        path.write_text("[\n" + lines + "\n]\n")
        print(file, len(self.cases), "cases,", path.stat().st_size, "bytes")
