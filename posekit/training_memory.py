"""What training must keep of a forward pass until the backward pass has used it.

That is nearly all the memory that a step of training takes besides weights and optimiser. It is
counted, not measured: every tensor that torch's autograd saves, each storage once, in bytes. On the
device "meta" nothing is computed for it.

B pictures, H x W pixels.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def kept_bytes(network: nn.Module, pictures: Float[Tensor, "B 3 H W"]) -> int:
    """Bytes kept of a pass in training mode, up to the volumes of networks that draw some; weights and
    buffers don't count.

    The network is left as it was, but for the averages of its normalisations.
    """
    own = [*network.parameters(), *network.buffers()]
    ours = {each.untyped_storage()._cdata for each in own}  # meta tensors have no addresses
    kept = {}

    def note(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage._cdata not in ours:
            kept[storage._cdata] = storage  # held, so that no other gets its place
        return saved

    training = network.training
    network.train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        made = getattr(network, "volumes", network)(pictures)
    network.train(training)
    total = sum(storage.nbytes() for storage in kept.values())
    del made
    return total
