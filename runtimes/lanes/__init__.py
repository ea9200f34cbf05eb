"""Lanes: where the tensors of one batch live on their way through a cascade, and a pool of them."""
