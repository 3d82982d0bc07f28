"""What determines a result, so that rows of other code or of another network are never taken for its own."""
