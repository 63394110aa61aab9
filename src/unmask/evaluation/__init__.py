"""The one evaluation path: score once, then compute every number from the scores."""
