"""The one inference path: file -> report, made of the stages and nothing else."""
