"""The fold of the log: the one place where a leaf changes keys, states, chains and scores."""
