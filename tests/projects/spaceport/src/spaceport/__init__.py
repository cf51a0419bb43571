"""A spaceport that sells tickets."""
