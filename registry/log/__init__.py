"""The transparency log: leaves, Merkle tree, tiles, signed notes, checkpoints and proofs; pure, without storage."""
