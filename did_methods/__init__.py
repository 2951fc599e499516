"""The ground floor: codecs, canonical JSON, keys, proofs, DID documents and DID methods; it imports nothing of ours."""
