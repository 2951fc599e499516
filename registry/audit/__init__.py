"""The auditor's room: from a log's bytes to findings. Pure: bytes, keys and instants come in as arguments."""
