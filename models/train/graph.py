"""The two networks, written down once as a list of layers.

PyTorch trains what is described here (`torch_net.py`), TensorFlow converts the
same description to int8 TFLite (`export.py`), and the multiply-accumulates are
counted from it. Only operations that the firmware's runtime runs without
allocating are possible: convolution, depthwise convolution, max-pool, nearest
resize and addition. Every padding is TensorFlow's `SAME`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layer:
    """One operation; `name` is also the name of the tensor it makes."""

    name: str
    op: str
    """`conv`, `depthwise`, `pool` (2x2, stride 2), `resize` or `add`."""
    inputs: tuple[str, ...]
    channels: int
    kernel: int = 1
    stride: int = 1
    relu: bool = False
    norm: bool = False
    """Trained with a batch normalisation that is folded in before export."""
    size: tuple[int, int] | None = None
    """Height and width that a `resize` makes."""


@dataclass
class Graph:
    """A network: input size, layers in order of execution, named outputs."""

    name: str
    height: int
    width: int
    norm: bool = False
    layers: list[Layer] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    sizes: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    macs: int = 0

    def __post_init__(self) -> None:
        self.sizes["input"] = (self.height, self.width, 3)

    def _append(self, layer: Layer) -> str:
        height, width, depth = self.sizes[layer.inputs[0]]
        if layer.op == "resize":
            height, width = layer.size
        else:
            height, width = -(-height // layer.stride), -(-width // layer.stride)
        taps = {"conv": depth * layer.kernel**2, "depthwise": layer.kernel**2}.get(layer.op, 0)
        self.macs += height * width * layer.channels * taps
        self.sizes[layer.name] = (height, width, layer.channels)
        self.layers.append(layer)
        return layer.name

    def conv(
        self,
        name: str,
        source: str,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        relu: bool = False,
        norm: bool = True,
    ) -> str:
        """A full convolution."""
        norm = norm and self.norm
        return self._append(
            Layer(name, "conv", (source,), channels, kernel, stride, relu, norm)
        )

    def depthwise(
        self, name: str, source: str, stride: int = 1, *, relu: bool = False, norm: bool = True
    ) -> str:
        """A 3x3 depthwise convolution."""
        norm = norm and self.norm
        depth = self.sizes[source][2]
        return self._append(Layer(name, "depthwise", (source,), depth, 3, stride, relu, norm))

    def pool(self, name: str, source: str) -> str:
        """2x2 max-pool; an odd row or column at the end makes a cell of its own."""
        return self._append(Layer(name, "pool", (source,), self.sizes[source][2], 2, 2))

    def resize_like(self, name: str, source: str, like: str) -> str:
        """Nearest neighbour: cell i of n takes cell floor(i * m / n) of m."""
        size = self.sizes[like][:2]
        return self._append(
            Layer(name, "resize", (source,), self.sizes[source][2], size=size)
        )

    def add(self, name: str, left: str, right: str, *, relu: bool = False) -> str:
        """Element-wise sum of two tensors of one shape."""
        depth = self.sizes[left][2]
        return self._append(Layer(name, "add", (left, right), depth, relu=relu))


FACE_STRIDES = (8, 16, 32)


def face_graph() -> Graph:
    """The face finder: YuNet-n.

    The landmark heads are gone, and so is `cls`: it learns from faces alone, and
    `obj` by itself tells faces from other things better.
    Layer names are those of YuNet's ONNX file where there is a counterpart.
    Every size follows from the input's: it runs at any multiple of 4 pixels.
    """
    g = Graph("face", 240, 320)

    def unit(name: str, source: str, channels: int, relu: bool = True) -> str:
        point = g.conv(f"{name}.conv1", source, channels)
        return g.depthwise(f"{name}.conv2", point, relu=relu)

    x = g.conv("backbone.model0.conv1", "input", 16, 3, 2, relu=True)
    x = unit("backbone.model0.conv2", x, 16)
    x = g.pool("pool0", x)
    x = unit("backbone.model1.conv1", x, 16)
    x = unit("backbone.model1.conv2", x, 64)
    x = unit("backbone.model2.conv1", x, 64)
    x = unit("backbone.model2.conv2", x, 64)
    levels = []
    for stage in (3, 4, 5):
        x = g.pool(f"pool{stage - 1}", x)
        x = unit(f"backbone.model{stage}.conv1", x, 64)
        x = unit(f"backbone.model{stage}.conv2", x, 64)
        levels.append(x)

    x = levels[2]
    merged: dict[int, str] = {}
    for level in (2, 1, 0):
        if level < 2:
            up = g.resize_like(f"up{level}", x, levels[level])
            x = g.add(f"sum{level}", levels[level], up)
        x = unit(f"neck.lateral_convs.{level}", x, 64)
        merged[level] = x

    for level, stride in enumerate(FACE_STRIDES):
        head = unit(f"bbox_head.multi_level_share_convs.{level}.0", merged[level], 64)
        point = g.conv(f"score{stride}.point", head, 1)
        g.outputs.append(g.conv(f"score{stride}", point, 1, 3))
        point = g.conv(f"box{stride}.point", head, 4)
        g.outputs.append(g.depthwise(f"box{stride}", point))
    return g


MOUTH_STRIDE = 8


def mouth_graph() -> Graph:
    """The mouth and nose finder: a tiny grid detector over one face crop.

    Scores of each cell: mouth, nose, and a face at all.
    """
    g = Graph("mouth", 96, 96, norm=True)

    def residual(name: str, source: str) -> str:
        depth = g.sizes[source][2]
        y = g.depthwise(f"{name}.space", source, relu=True)
        y = g.conv(f"{name}.mix", y, depth)
        return g.add(f"{name}.sum", source, y, relu=True)

    x = g.conv("stem", "input", 16, 3, 2, relu=True)
    x = g.depthwise("down4.space", x, 2, relu=True)
    x = g.conv("down4.mix", x, 32, relu=True)
    x = residual("fine1", x)
    x = residual("fine2", x)
    x = residual("fine3", x)
    x = g.depthwise("down8.space", x, 2, relu=True)
    x = g.conv("down8.mix", x, 64, relu=True)
    x = residual("mid1", x)
    mid = residual("mid2", x)
    x = g.depthwise("down16.space", mid, 2, relu=True)
    x = g.conv("down16.mix", x, 96, relu=True)
    x = residual("wide1", x)
    x = residual("wide2", x)
    x = residual("wide3", x)
    x = residual("wide4", x)
    x = g.conv("narrow", x, 64)
    x = g.resize_like("up", x, mid)
    x = g.add("join", mid, x, relu=True)
    x = residual("head1", x)
    x = residual("head2", x)
    x = residual("head3", x)
    g.outputs.append(g.conv("score", x, 3, norm=False))
    g.outputs.append(g.conv("box", x, 8, norm=False))
    return g


if __name__ == "__main__":
    for graph in (face_graph(), mouth_graph()):
        print(f"{graph.name}: {graph.macs / 1e6:.1f} M multiply-accumulates")
        for output in graph.outputs:
            print(f"  {output}: {graph.sizes[output]}")
