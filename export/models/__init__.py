"""Model cascades on their way to a bundle: files taken in as networks, their graphs, segments."""
