"""The rival of loader_bench: pictures a second of PyTorch's DataLoader with torchvision's transforms on the same tasks.
Run: python3 torch_loader.py MNIST_IMAGES MNIST_LABELS"""
import gzip
import sys
import time

import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image

torch.set_num_threads(1)


class Pictures(torch.utils.data.Dataset):
    """As torchvision's datasets: an array of pictures, a PIL image of each, then the transform."""

    def __init__(self, pixels, labels, transform):
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.pixels[i])), int(self.labels[i])


def idx(path, header):
    return np.frombuffer(gzip.open(path).read(), np.uint8, offset=header)


random = np.random.default_rng(0)
augment = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))])
tasks = {"mnist": (Pictures(idx(sys.argv[1], 16).reshape(-1, 28, 28), idx(sys.argv[2], 8), T.ToTensor()), 64),
         "cifar": (Pictures(random.integers(0, 256, (20000, 32, 32, 3), dtype=np.uint8), random.integers(0, 10, 20000), augment), 128)}
for name, (dataset, batch) in tasks.items():
    for workers in (0, 1, 2):
        loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=workers)
        best = 0
        for _ in range(2):
            begin, pictures = time.perf_counter(), 0
            for x, y in loader:
                pictures += len(y)
            best = max(best, pictures / (time.perf_counter() - begin))
        print(f"torch {name} workers {workers}: {best:.0f} images/s", flush=True)
