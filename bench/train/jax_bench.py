"""One task in JAX, compiled whole (loss, gradients and update in one jit): python jax_bench.py TASK THREADS STEPS; one line of JSON
as train_bench prints it. Threads are those of the processors that the process is pinned to."""
import functools
import json
import math
import resource
import statistics
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

task, threads, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(0)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def uniform(shape, fan_in):
    bound = 1 / math.sqrt(fan_in)
    return jnp.asarray(random.uniform(-bound, bound, shape), jnp.float32)


def normal(shape):
    return jnp.asarray(random.standard_normal(shape), jnp.float32)


def labels(shape, classes):
    return jnp.asarray(random.integers(0, classes, shape), jnp.int32)


def linear(i, o, bias=True):
    return {"w": uniform((i, o), i), **({"b": uniform((o,), i)} if bias else {})}


def dense(p, x):
    y = x @ p["w"]
    return y + p["b"] if "b" in p else y


def conv(i, o, kernel, bias=True):
    fan_in = i * kernel * kernel
    return {"w": uniform((kernel, kernel, i, o), fan_in), **({"b": uniform((o,), fan_in)} if bias else {})}


def convolve(p, x, stride, pad):
    y = jax.lax.conv_general_dilated(x, p["w"], (stride, stride), [(pad, pad), (pad, pad)], dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + p["b"] if "b" in p else y


def max_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def norm(dim):
    return {"g": jnp.ones((dim,)), "b": jnp.zeros((dim,))}


def normalise(p, x, axes):
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p["g"] + p["b"]


def layer_norm(p, x):
    return normalise(p, x, -1)


def batch_norm(p, x):  # running statistics are left out: a few hundred numbers
    return normalise(p, x, (0, 1, 2))


def mlp():
    params = [linear(784, 512), linear(512, 256), linear(256, 10)]

    def forward(p, x):
        return dense(p[2], jax.nn.relu(dense(p[1], jax.nn.relu(dense(p[0], x)))))
    return params, forward, "adam", normal((128, 784)), labels((128,), 10)


def lenet():
    params = [conv(1, 6, 5), conv(6, 16, 5), linear(400, 120), linear(120, 84), linear(84, 10)]

    def forward(p, x):
        h = max_pool(jax.nn.relu(convolve(p[0], x, 1, 2)))
        h = max_pool(jax.nn.relu(convolve(p[1], h, 1, 0))).reshape(64, 400)
        return dense(p[4], jax.nn.relu(dense(p[3], jax.nn.relu(dense(p[2], h)))))
    return params, forward, "momentum", normal((64, 28, 28, 1)), labels((64,), 10)


def resnet18():
    blocks, strides, i = [], [], 64
    for o in (64, 128, 256, 512):
        for first in (True, False):
            stride = 2 if first and o != 64 else 1
            block = {"c1": conv(i, o, 3, False), "n1": norm(o), "c2": conv(o, o, 3, False), "n2": norm(o)}
            if i != o:
                block.update(c3=conv(i, o, 1, False), n3=norm(o))
            blocks.append(block)
            strides.append(stride)
            i = o
    params = {"c": conv(3, 64, 3, False), "n": norm(64), "blocks": blocks, "fc": linear(512, 10)}

    def forward(p, x):
        h = jax.nn.relu(batch_norm(p["n"], convolve(p["c"], x, 1, 1)))
        for b, stride in zip(p["blocks"], strides):
            y = jax.nn.relu(batch_norm(b["n1"], convolve(b["c1"], h, stride, 1)))
            y = batch_norm(b["n2"], convolve(b["c2"], y, 1, 1))
            h = jax.nn.relu(y + (batch_norm(b["n3"], convolve(b["c3"], h, stride, 0)) if "c3" in b else h))
        return dense(p["fc"], h.mean((1, 2)))
    return params, forward, "momentum", normal((32, 32, 32, 3)), labels((32,), 10)


def char_lstm():
    def cell():
        return {"w": uniform((256, 1024), 256), "r": uniform((256, 1024), 256), "b": uniform((1024,), 256), "rb": uniform((1024,), 256)}
    params = {"tok": normal((65, 256)), "cells": [cell(), cell()], "head": linear(256, 65)}

    def layer(p, x):  # [steps, batch, dim]
        def step(state, gates):
            h, c = state
            i, f, g, o = jnp.split(gates + h @ p["r"] + p["rb"], 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h
        zero = jnp.zeros((x.shape[1], 256))
        return jax.lax.scan(step, (zero, zero), x @ p["w"] + p["b"])[1]

    def forward(p, t):
        x = p["tok"][t].swapaxes(0, 1)
        for c in p["cells"]:
            x = layer(c, x)
        return dense(p["head"], x.swapaxes(0, 1)).reshape(-1, 65)
    return params, forward, "adamw", labels((32, 64), 65), labels((32 * 64,), 65)


def transformer(words, batch, length, dim, heads, depth, causal, out):
    def block():
        return {"n1": norm(dim), "n2": norm(dim), "qkv": linear(dim, 3 * dim), "out": linear(dim, dim), "up": linear(dim, 4 * dim), "down": linear(4 * dim, dim)}
    params = {"tok": normal((words, dim)), "pos": normal((length, dim)), "blocks": [block() for _ in range(depth)], "n": norm(dim), "head": linear(dim, out, False)}

    def forward(p, t):
        h = p["tok"][t] + p["pos"]
        for b in p["blocks"]:
            q, k, v = jnp.split(dense(b["qkv"], layer_norm(b["n1"], h)).reshape(batch, length, 3 * heads, dim // heads), 3, 2)
            h = h + dense(b["out"], jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(batch, length, dim))
            h = h + dense(b["down"], jax.nn.gelu(dense(b["up"], layer_norm(b["n2"], h)), approximate=False))
        h = layer_norm(p["n"], h)
        return dense(p["head"], h if causal else h.mean(1)).reshape(-1, out)
    targets = labels((batch * length,) if causal else (batch,), out)
    return params, forward, "adamw", labels((batch, length), words), targets


def zeros(params):
    return jax.tree.map(jnp.zeros_like, params)


def update(rule, params, grads, state, count):
    if rule == "momentum":
        state = jax.tree.map(lambda m, g: 0.9 * m + g, state, grads)
        return jax.tree.map(lambda p, m: p - 0.01 * m, params, state), state
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state[0], grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state[1], grads)
    decay = 1 - 1e-3 * 0.01 if rule == "adamw" else 1.0
    c1, c2 = 1 - 0.9 ** count, jnp.sqrt(1 - 0.999 ** count)

    def one(p, m, v):
        return p * decay - 1e-3 / c1 * m / (jnp.sqrt(v) / c2 + 1e-8)
    return jax.tree.map(one, params, first, second), (first, second)


params, forward, rule, x, t = {"mlp": mlp, "lenet": lenet, "resnet18": resnet18, "char_lstm": char_lstm,
                               "char_gpt": lambda: transformer(65, 12, 64, 128, 4, 4, True, 65),
                               "encoder": lambda: transformer(8000, 16, 128, 128, 4, 4, False, 2),
                               "gpt": lambda: transformer(65, 8, 256, 384, 6, 6, True, 65)}[task]()
state = zeros(params) if rule == "momentum" else (zeros(params), zeros(params))


def loss_of(p, x, t):
    return -jnp.take_along_axis(jax.nn.log_softmax(forward(p, x)), t[:, None], 1).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1))
def step(params, state, count, x, t):
    loss, grads = jax.value_and_grad(loss_of)(params, x, t)
    return (*update(rule, params, grads, state, count), loss)


times = []
for i in range(steps):
    start = time.perf_counter()
    params, state, loss = step(params, state, float(i + 1), x, t)
    jax.block_until_ready((params, loss))
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"task": task, "threads": threads, "ms": round(statistics.median(times), 4), "first_ms": round(times[0], 3),
                  "mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024, 1), "loss": round(float(loss), 5)}))
